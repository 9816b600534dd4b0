"""One exit code for each way in which a run ends."""

import pytest
from runsd_sdk.run import Reason

from runsd.cli.outcome import CODE_OF, exit_code
from tests.unit.sdk.answers import run

EXPECTED = {
    Reason.EXITED: 3,
    Reason.OOM_KILLED: 137,
    Reason.COMMAND_NOT_FOUND: 127,
    Reason.IMAGE_NOT_FOUND: 125,
    Reason.IMAGE_PULL_FAILED: 125,
    Reason.START_FAILED: 125,
    Reason.VOLUME_MISSING: 125,
    Reason.SOURCE_FAILED: 125,
    Reason.DEPENDENCIES_FAILED: 125,
    Reason.QUEUE_EXPIRED: 125,
    Reason.LOST: 125,
    Reason.CANCELLED: 130,
    Reason.DEADLINE_EXCEEDED: 124,
}
OWN_CODE = {Reason.EXITED: 3, Reason.CANCELLED: 143, Reason.DEADLINE_EXCEEDED: 137}


def test_the_table_is_total() -> None:
    assert set(CODE_OF) == set(Reason) == set(EXPECTED)


@pytest.mark.parametrize("reason", Reason)
def test_code(reason: Reason) -> None:
    assert exit_code(run(reason=reason, exitCode=OWN_CODE.get(reason))) == EXPECTED[reason]


@pytest.mark.parametrize("code", [0, 1, 2, 124, 125, 137, 255])
def test_a_run_that_exited_lends_its_own_code(code: int) -> None:
    assert exit_code(run(reason="exited", exitCode=code)) == code


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.EXITED])
@pytest.mark.parametrize("code", [None, 0])
def test_nothing_but_an_exit_can_look_like_success(reason: Reason, code: int | None) -> None:
    assert exit_code(run(reason=reason, exitCode=code)) != 0


def test_a_command_that_cannot_be_executed_keeps_its_126() -> None:
    assert exit_code(run(reason="command_not_found", exitCode=126)) == 126


def test_a_live_run_has_no_code() -> None:
    with pytest.raises(ValueError, match="is not over"):
        exit_code(run())
