"""The state machine and the judgement of an exit, whole: every phase, input, reason and precedence."""

import pytest
from runsd_sdk.run import Phase, Reason, Status

from runsd.run import NEXT, STATUS_OF, Exit, Input, Outcome, Stop, outcome, phase_status

CANCEL = Stop(Reason.CANCELLED, signalled=True)
LATE_CANCEL = Stop(Reason.CANCELLED, signalled=False)
DEADLINE = Stop(Reason.DEADLINE_EXCEEDED, signalled=True)
LATE_DEADLINE = Stop(Reason.DEADLINE_EXCEEDED, signalled=False)


def test_every_phase_lists_what_it_takes() -> None:
    assert NEXT.keys() == set(Phase)
    for phase, moves in NEXT.items():
        assert moves.keys() <= set(Input), phase
        assert set(moves.values()) <= set(Phase), phase


def test_every_input_is_taken_somewhere_and_refused_somewhere() -> None:
    for input in Input:
        taken = {phase for phase, moves in NEXT.items() if input in moves}
        assert taken, f"{input} leads nowhere"
        assert taken < set(Phase), f"{input} is never refused"


def test_nothing_leaves_the_end() -> None:
    assert NEXT[Phase.FINISHED] == {}


def test_every_phase_can_be_reached_and_every_one_can_end() -> None:
    assert reachable(Phase.QUEUED) == set(Phase)
    for phase in Phase:
        assert Phase.FINISHED in reachable(phase)


def test_a_stop_of_a_live_run_is_only_an_intent() -> None:
    live = set(Phase) - {Phase.QUEUED, Phase.STOPPING, Phase.FINISHED}
    assert {phase for phase, moves in NEXT.items() if moves.get(Input.STOP) is Phase.STOPPING} == live


def reachable(start: Phase) -> set[Phase]:
    found, ahead = {start}, [start]
    while ahead:
        new = set(NEXT[ahead.pop()].values()) - found
        found |= new
        ahead.extend(new)
    return found


def test_every_reason_has_a_status_and_it_is_final() -> None:
    assert STATUS_OF.keys() == set(Reason)
    assert all(status.terminal for status in STATUS_OF.values())


@pytest.mark.parametrize("reason", Reason)
def test_only_an_exit_with_0_succeeds(reason: Reason) -> None:
    for code in (None, 0, 1, 137):
        expected = Status.SUCCEEDED if (reason, code) == (Reason.EXITED, 0) else STATUS_OF[reason]
        assert Outcome(reason, "", code).status is expected


@pytest.mark.parametrize(
    ("exit", "stop", "reason", "status"),
    [
        (Exit(0, False), None, Reason.EXITED, Status.SUCCEEDED),
        (Exit(3, False), None, Reason.EXITED, Status.FAILED),
        (Exit(137, False), None, Reason.EXITED, Status.FAILED),  # a code alone proves nothing about memory
        (Exit(137, True), None, Reason.OOM_KILLED, Status.FAILED),
        (Exit(1, True), None, Reason.OOM_KILLED, Status.FAILED),
        (Exit(0, True), None, Reason.EXITED, Status.SUCCEEDED),  # a child was killed, the parent coped
        (Exit(0, False), CANCEL, Reason.CANCELLED, Status.CANCELLED),
        (Exit(143, False), CANCEL, Reason.CANCELLED, Status.CANCELLED),
        (Exit(137, True), CANCEL, Reason.CANCELLED, Status.CANCELLED),
        (Exit(137, False), DEADLINE, Reason.DEADLINE_EXCEEDED, Status.TIMEOUT),
        (Exit(137, True), DEADLINE, Reason.DEADLINE_EXCEEDED, Status.TIMEOUT),
        (Exit(0, False), LATE_CANCEL, Reason.EXITED, Status.SUCCEEDED),  # it ended before the signal
        (Exit(5, False), LATE_CANCEL, Reason.EXITED, Status.FAILED),
        (Exit(137, True), LATE_DEADLINE, Reason.OOM_KILLED, Status.FAILED),
    ],
)
def test_a_stop_that_reached_it_comes_first_then_memory_then_its_own_exit(
    exit: Exit, stop: Stop | None, reason: Reason, status: Status
) -> None:
    judged = outcome(exit, stop)
    assert (judged.reason, judged.status) == (reason, status)
    assert (judged.exit_code, judged.oom_killed) == (exit.code, exit.oom_killed)


@pytest.mark.parametrize(
    ("exit", "stop", "said"),
    [
        (Exit(0, False), None, "exited with code 0"),
        (Exit(137, False), None, "exited with code 137 (SIGKILL)"),
        (Exit(143, False), None, "exited with code 143 (SIGTERM)"),
        (Exit(129, False), None, "exited with code 129 (SIGHUP)"),
        (Exit(255, False), None, "exited with code 255"),
        (Exit(0, True), None, "a child process was killed for memory"),
        (Exit(137, True), None, "resources.requests"),
        (Exit(143, False), CANCEL, "cancelled; it ended with code 143"),
        (Exit(137, False), DEADLINE, "stopped at its deadline; it ended with code 137"),
    ],
)
def test_the_sentence_says_what_happened(exit: Exit, stop: Stop | None, said: str) -> None:
    assert said in outcome(exit, stop).message


@pytest.mark.parametrize("phase", Phase)
def test_a_run_is_running_from_its_containers_start_on(phase: Phase) -> None:
    runs = phase in (Phase.RUNNING, Phase.STOPPING)
    assert phase_status(phase, started=True) is (Status.RUNNING if runs else Status.PENDING)
    assert phase_status(phase, started=False) is Status.PENDING
