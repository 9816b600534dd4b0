"""The Engine is stopped, killed, frozen or out of reach while runs go on; none of them pays for it."""

import pytest

from tests.faults.conftest import Play

pytestmark = pytest.mark.timeout(400)


@pytest.mark.parametrize("fault", ["socket gone", "connections cut", "engine stuck"])
def test_out_of_reach_for_a_moment(faults: Play, fault: str) -> None:
    faults(fault, seed=1, size=20, times=3)


@pytest.mark.needs("private-engine")
@pytest.mark.parametrize(
    "fault",
    [
        "engine stopped", "engine stopped, live-restore",
        "engine killed", "engine killed, live-restore",
        "engine frozen", "daemon and engine killed", "host lost power",
    ],
)  # fmt: skip
def test_harmed(faults: Play, fault: str) -> None:
    faults(fault, seed=2, size=20, times=2, seconds=3)
