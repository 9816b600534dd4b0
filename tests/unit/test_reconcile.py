"""What the reconciler takes for a stray, and what it leaves alone."""

import pytest

from runsd.engine.port import Found
from runsd.supervise.naming import attempt_of_name, container_labels, container_name
from runsd.supervise.reconcile import strays

RUN = "run_" + "0" * 26
HOUR_US = 3600 * 1_000_000


def found(attempt: int = 1, *, name: str | None = None, age_us: int = 0) -> Found:
    labels = container_labels("here", RUN, attempt)
    return Found("id", name or container_name(RUN, attempt), "exited", HOUR_US - age_us, labels)


@pytest.mark.parametrize(
    ("container", "current", "stray"),
    [
        (found(1), {RUN: 1}, False),  # the live attempt's own
        (found(1), {RUN: 0}, True),  # its run is over, or queued again
        (found(1), {RUN: 2}, True),  # another attempt is live
        (found(1), {}, False),  # nobody knows it yet
        (found(1, age_us=HOUR_US), {}, True),  # and nobody ever will
        (found(1, name="from-an-image-of-ours", age_us=HOUR_US), {RUN: 0}, False),
    ],
)
def test_a_container_is_a_stray_when_its_attempt_is_over(
    container: Found, current: dict[str, int], *, stray: bool
) -> None:
    assert strays([container], current, now_us=HOUR_US) == ([container] if stray else [])


def test_a_container_of_somebody_else_is_no_stray() -> None:
    theirs = Found("id", "web", "running", 0, {"io.runsd.run": RUN, "io.runsd.attempt": "one"})
    assert strays([theirs], {RUN: 0}, now_us=HOUR_US) == []


def test_an_attempts_name_is_read_back() -> None:
    assert attempt_of_name(container_name(RUN, 7)) == (RUN, 7)
    assert attempt_of_name("runsd-probe-1") is None
