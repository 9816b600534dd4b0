"""Every state of a run can be put into words, with the next step where there is one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from runsd_sdk.run import Phase, Reason, Run, RunImage, RunLogs, RunUsage, Status
from runsd_sdk.spec import RunSpec

from runsd.admission import Resources
from runsd.run import Outcome, phase_status
from runsd.why import Surroundings, account, explain

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
CALM = Surroundings(
    ahead=0, free=Resources(4000, 8 * 2**30), engine_message=None, not_before=None, now=NOW, pulled={}
)


def run(phase: Phase, **changes: Any) -> Run:
    live = Run(
        id="run_1",
        project="default",
        name=None,
        labels={},
        status=phase_status(phase, started=True),
        phase=phase,
        reason=None,
        message=None,
        exit_code=None,
        oom_killed=False,
        attempt=1,
        created_at=NOW,
        started_at=None,
        finished_at=None,
        deadline_at=None,
        spec=RunSpec(image="alpine"),
        image=RunImage(reference="alpine"),
        usage=RunUsage(),
        logs=RunLogs(),
        trigger="api",
        rerun_of=None,
        task=None,
        hostname="host",
    )
    return live.model_copy(update=changes)


def ended(reason: Reason, code: int | None = None, **changes: Any) -> Run:
    status = Outcome(reason, "", code).status
    said = {"message": "so it was", "reason": reason, "status": status, "exit_code": code, "finished_at": NOW}
    return run(Phase.FINISHED, **said | changes)


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.FINISHED])
def test_every_live_phase_is_put_into_words(phase: Phase) -> None:
    why = explain(run(phase), CALM)
    assert why.summary
    assert (why.phase, why.reason, why.next_step) == (phase, None, None)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_next_step_but_what_was_wanted(reason: Reason) -> None:
    why = explain(ended(reason), CALM)
    assert why.summary == f"{why.status}: so it was"
    assert (why.next_step is None) == (reason is Reason.CANCELLED)
    assert "{" not in (why.next_step or "")


@pytest.mark.parametrize("reason", Reason)
def test_who_has_a_zone_and_links_is_told_neither_utc_nor_a_command(reason: Reason) -> None:
    over = account(ended(reason), CALM)
    assert [detail.at for detail in over.details] == [NOW]
    live = account(run(Phase.RUNNING, deadline_at=NOW + timedelta(seconds=90)), CALM)
    assert [(detail.at, detail.left_s) for detail in live.details] == [(NOW + timedelta(seconds=90), 90)]
    parts = [part for each in (*over.details, *live.details) for part in (each.before, each.after)]
    assert not any("UTC" in part for part in parts)
    assert over.step is None or "runs " not in over.step.words
    assert over.step is None or (over.step.command is None or over.step.page)


@pytest.mark.parametrize("reason", Reason)
def test_what_is_to_be_changed_is_a_field_of_a_run(reason: Reason) -> None:
    step = account(ended(reason), CALM).step
    wire = RunSpec(image="x", python={"entrypoint": {"file": "a.py"}}).model_dump(by_alias=True)
    within: Any = wire
    for part in step.field.split(".") if step and step.field else ():
        assert part in within
        within = within[part]


def test_a_success_asks_for_nothing() -> None:
    why = explain(ended(Reason.EXITED, 0), CALM)
    assert (why.status, why.next_step) == (Status.SUCCEEDED, None)
    assert "2026-11-22 01:00:00 UTC in attempt 1" in why.details[0]


def test_memory_that_did_not_decide_is_told() -> None:
    told = explain(ended(Reason.EXITED, 0, oom_killed=True), CALM).details
    assert any("killed for memory" in line for line in told)
    decided = explain(ended(Reason.OOM_KILLED, 137, oom_killed=True), CALM).details
    assert not any("killed for memory" in line for line in decided)


def test_an_end_before_the_beginning_is_flagged() -> None:
    flagged = explain(ended(Reason.EXITED, 0, started_at=NOW + timedelta(milliseconds=1)), CALM)
    assert any("before it began" in line for line in flagged.details)
    ordinary = explain(ended(Reason.EXITED, 0, started_at=NOW), CALM)
    assert not any("before it began" in line for line in ordinary.details)


def test_a_queued_run_that_fits_is_about_to_start() -> None:
    assert explain(run(Phase.QUEUED), CALM).summary == "it is about to start"


def test_a_queued_run_says_who_is_ahead() -> None:
    why = explain(run(Phase.QUEUED), replace(CALM, ahead=3))
    assert why.summary == "it waits for its turn"
    assert "3 runs are ahead of it in the queue" in why.details


def test_a_queued_run_says_what_it_lacks() -> None:
    why = explain(run(Phase.QUEUED), replace(CALM, free=Resources(500, 2**29)))
    assert why.summary == "it waits for resources that other runs hold"
    assert why.details == ["it asks for 1 cores and 1.0 GiB; 0.5 cores and 512.0 MiB are free"]


def test_a_host_that_shrank_has_nothing_free_rather_than_less() -> None:
    why = explain(run(Phase.QUEUED), replace(CALM, free=Resources(-500, -1)))
    assert "0 cores and 0 B are free" in why.details[0]


def test_a_backoff_says_which_attempt_follows_and_when() -> None:
    why = explain(run(Phase.QUEUED, attempt=2), replace(CALM, not_before=NOW + timedelta(seconds=8)))
    assert why.summary == "attempt 3 follows in 8 s, after a backoff"
    over = explain(run(Phase.QUEUED, attempt=2), replace(CALM, not_before=NOW))
    assert over.summary == "it is about to start"


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.FINISHED])
def test_an_engine_that_does_not_answer_is_told_whatever_the_phase(phase: Phase) -> None:
    why = explain(run(phase), replace(CALM, engine_message="connection refused"))
    assert why.details[0] == "the Docker Engine is in trouble: connection refused"
    assert "runsd doctor" in str(why.next_step)


def test_an_engine_in_trouble_is_no_matter_of_a_run_that_is_over() -> None:
    why = explain(ended(Reason.EXITED, 0), replace(CALM, engine_message="connection refused"))
    assert not any("Engine" in line for line in why.details)


def test_a_pull_says_how_far_it_is() -> None:
    why = explain(run(Phase.PULLING), replace(CALM, pulled={"doneBytes": 2**20, "totalBytes": 2**30}))
    assert "1.0 MiB of 1.0 GiB so far" in why.details


def test_a_start_says_how_many_wait_for_their_turn() -> None:
    why = explain(run(Phase.STARTING), replace(CALM, starts_at_once=4, starts_waiting=9))
    assert why.details == ["starts take turns, 4 at a time for the most per second"]
    assert explain(run(Phase.STARTING), replace(CALM, starts_at_once=4)).details == []


def test_a_deadline_is_told_and_is_never_in_the_past() -> None:
    ahead = explain(run(Phase.RUNNING, deadline_at=NOW + timedelta(seconds=90)), CALM)
    assert ahead.details == ["its deadline is at 01:01:30 UTC, in 90 s"]
    behind = explain(run(Phase.STOPPING, deadline_at=NOW - timedelta(seconds=5)), CALM)
    assert behind.details == ["its deadline is at 00:59:55 UTC, in 0 s"]


def test_a_queued_run_says_that_the_disk_is_full() -> None:
    why = explain(run(Phase.QUEUED), replace(CALM, disk_message="only 3 MiB are free at /data"))
    assert "no run is started at the moment: only 3 MiB are free at /data" in why.details
    assert why.next_step is not None
    assert "free some disk space" in why.next_step


def test_a_live_run_does_not_mind_the_disk() -> None:
    full = replace(CALM, disk_message="only 3 MiB are free at /data")
    assert explain(run(Phase.RUNNING), full) == explain(run(Phase.RUNNING), CALM)
