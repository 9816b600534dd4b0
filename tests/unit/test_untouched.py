"""What is known of a container without asking: only of a new one, and until something is done to it."""

import pytest

from runsd.engine.port import ContainerRequest, ContainerState
from runsd.engine.untouched import Untouched

REQUEST = ContainerRequest(
    name="one", image="i", entrypoint=None, args=None, env={}, labels={"a": "b"}, cpu_milli=1, memory_bytes=1,
    shm_bytes=1, mounts=(), network="none", workdir=None, user=None, cgroup_parent=None, log_max_bytes=5,
)  # fmt: skip


def test_a_container_that_was_just_made_is_as_it_was_made() -> None:
    untouched = Untouched()
    untouched.add("id1", REQUEST)
    facts = untouched.get("id1")
    assert facts is not None
    assert (facts.id, facts.name, facts.state) == ("id1", "one", ContainerState.CREATED)
    assert (facts.started_us, facts.finished_us, facts.has_run) == (None, None, False)
    assert (facts.labels, facts.log_file_bytes) == ({"a": "b"}, REQUEST.log_file_bytes)
    assert untouched.get("id2") is None


@pytest.mark.parametrize("by", ["id1", "one"])
def test_of_one_that_is_to_be_started_or_removed_nothing_is_known_any_more(by: str) -> None:
    untouched = Untouched()
    untouched.add("id1", REQUEST)
    untouched.take(by)
    assert untouched.get("id1") is None


def test_only_who_takes_it_first_need_not_ask_before_the_start() -> None:
    untouched = Untouched()
    untouched.add("id1", REQUEST)
    assert untouched.take("id1") is not None
    assert untouched.take("id1") is None


def test_one_that_was_made_a_while_ago_is_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    untouched = Untouched()
    monkeypatch.setattr("time.monotonic", lambda: 100.0)
    untouched.add("id1", REQUEST)
    monkeypatch.setattr("time.monotonic", lambda: 105.1)
    assert untouched.get("id1") is None
    assert untouched.take("id1") is None
