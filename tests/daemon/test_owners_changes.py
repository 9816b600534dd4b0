"""What an owner may still do to a run: run it again, relabel it, delete it, and ask why."""

from typing import Any

import pytest
from runsd_sdk import Conflict, NotFound, Unprocessable
from runsd_sdk.run import Status

from tests.conftest import Serve
from tests.daemon.harness import Daemon, first_line

ENDINGS: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "exited": ({"command": ["sh", "-c", "exit 3"]}, "failed: exited with code 3", "runs logs"),
    "succeeded": ({"command": ["true"]}, "succeeded: exited with code 0", None),
    "command_not_found": ({"command": ["/no/such"]}, "/no/such", "check command"),
    "oom_killed": ({"command": ["tail", "/dev/zero"]}, "memory", "more memory"),
    "deadline_exceeded": (
        {"command": ["sleep", "60"], "timeout_seconds": 1, "stop_grace_seconds": 0}, "deadline", "more time",
    ),
    "start_failed": ({"command": ["true"], "user": "nobody-there"}, "nobody-there", "Engine said"),
    "image_not_found": ({"image": "absent:1", "pull_policy": "never"}, "absent:1", "check the image"),
}  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS)
def test_why_says_how_a_run_ended_and_what_to_do(daemon: Daemon, ending: str) -> None:
    spec, said, step = ENDINGS[ending]
    result = daemon.client.create_and_wait(**{**daemon.spec("true"), **spec})
    why = daemon.client.why(result.id)
    assert why.status is result.status
    assert why.reason is result.reason
    assert said in why.summary
    assert (why.next_step is None) if step is None else (step in str(why.next_step))
    assert "{" not in str(why.next_step)


def test_why_of_a_live_run_says_when_its_deadline_is(daemon: Daemon) -> None:
    handle = daemon.submit("sh", "-c", "echo up; sleep 60", stop_grace_seconds=0)
    first_line(handle)
    daemon.until(handle.id, "run.running")
    why = daemon.client.why(handle.id)
    assert why.summary == "it is running"
    assert any("deadline" in detail for detail in why.details)
    handle.cancel()
    cancelled = handle.wait(30)
    assert daemon.client.why(handle.id).summary == f"cancelled: {cancelled.message}"


def test_a_rerun_is_a_new_run_with_the_same_spec_but_for_what_is_overridden(daemon: Daemon) -> None:
    first = daemon.run("sh", "-c", "echo $WORD $KEPT; exit 2", env={"WORD": "one", "KEPT": "k"}, name="job")
    same = daemon.client.rerun(first.id).wait(30)
    assert same.spec == first.spec
    assert (same.stdout, same.rerun_of, same.trigger) == ("one k\n", first.id, "rerun")
    other = daemon.client.rerun(first.id, env={"WORD": "two"}, timeout_seconds=7, name=None).wait(30)
    assert (other.stdout, other.name, other.spec.timeout_seconds) == ("two k\n", None, 7)
    assert daemon.client.result(first.id) == first
    assert first.rerun_of is None


def test_runs_are_run_again_together_or_not_at_all(daemon: Daemon) -> None:
    client = daemon.client
    task = client.tasks.create("again", **daemon.spec("sh", "-c", "exit 3", name="of-a-task"))
    first, second = client.tasks.trigger(task.id), daemon.submit("echo", "a", labels={"k": "v"}, priority=3)
    with pytest.raises(NotFound, match="run_none"):
        client.rerun_batch([first.id, "run_none"])
    ids = [first.id, second.id, first.id]
    again = client.rerun_batch(ids, idempotency_key="twice")
    assert [each.id for each in client.rerun_batch(ids, idempotency_key="twice")] == [
        each.id for each in again
    ]
    ended = [each.wait(30) for each in again]
    assert [(run.rerun_of, run.trigger, run.task) for run in ended] == [
        (first.id, "rerun", task.id),
        (second.id, "rerun", None),
    ]
    assert [run.spec for run in ended] == [first.run.spec, second.run.spec]
    assert client.batch(again[0].id).size == 2
    client.tasks.delete(task.id)


def test_a_rerun_that_cannot_be_accepted_makes_nothing(daemon: Daemon) -> None:
    first = daemon.run("true", name="only")
    with pytest.raises(Unprocessable):
        daemon.client.rerun(first.id, resources={"requests": {"cpu": "900"}})
    assert [run.id for run in daemon.client.list(name="only").data] == [first.id]


def test_labels_may_be_replaced_at_any_time_and_runs_found_by_them(daemon: Daemon) -> None:
    run = daemon.run("true", labels={"team": "a", "kind": "old"})
    changed = daemon.client.relabel(run.id, {"team": "b"})
    assert (changed.labels, changed.status) == ({"team": "b"}, Status.SUCCEEDED)
    assert [found.id for found in daemon.client.list(label={"team": "b"}).data] == [run.id]
    assert daemon.client.list(label={"kind": "old"}).data == []


def test_a_deleted_run_is_gone_with_its_log(daemon: Daemon) -> None:
    run = daemon.run("echo", "out")
    answer = daemon.http.delete(f"/v1/runs/{run.id}")
    assert (answer.status_code, answer.content) == (204, b"")
    for path in ("", "/logs", "/events", "/result", "/why", "/metrics", "/wait"):
        gone = daemon.http.get(f"/v1/runs/{run.id}{path}")
        assert (gone.status_code, path) == (404, path)
    with pytest.raises(NotFound):
        daemon.client.delete(run.id)


def test_a_live_run_is_not_deleted(daemon: Daemon) -> None:
    handle = daemon.submit("sleep", "60", stop_grace_seconds=0)
    daemon.until(handle.id, "run.running")
    with pytest.raises(Conflict, match="cancel it first"):
        daemon.client.delete(handle.id)
    with pytest.raises(Conflict, match="await it"):
        handle.result()
    handle.cancel()
    handle.wait(30)
    daemon.client.delete(handle.id)


def test_a_wait_that_runs_out_answers_the_run_as_it_is(daemon: Daemon) -> None:
    handle = daemon.submit("sleep", "60", stop_grace_seconds=0)
    answer = daemon.http.get(f"/v1/runs/{handle.id}/wait", params={"timeoutSeconds": "0.2"})
    assert (answer.status_code, answer.json()["finishedAt"]) == (200, None)
    handle.cancel()
    answer = daemon.http.get(f"/v1/runs/{handle.id}/wait", params={"timeoutSeconds": "30"})
    assert answer.json()["status"] == "cancelled"


def test_runs_are_listed_newest_first_page_by_page(serve: Serve) -> None:
    with serve() as daemon:
        ids = [handle.id for handle in daemon.client.create_batch([daemon.spec("true")] * 5)]
        first = daemon.client.list(limit=2)
        second = daemon.client.list(limit=2, cursor=first.next_cursor)
        third = daemon.client.list(limit=2, cursor=second.next_cursor)
        pages = [[run.id for run in page.data] for page in (first, second, third)]
        assert pages == [[ids[4], ids[3]], [ids[2], ids[1]], [ids[0]]]
        assert third.next_cursor is None
        for run_id in ids:
            daemon.client.wait(run_id, 30)
