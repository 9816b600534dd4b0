"""The daemon is killed at random times while runs of all kinds go on; nothing is lost or done twice."""

import pytest

from tests.faults.conftest import Play

SEED = 20261122


@pytest.mark.timeout(400)
def test_killed_at_random_times_every_run_has_its_one_true_end(faults: Play) -> None:
    faults("daemon killed", seed=SEED, size=40, times=10)
