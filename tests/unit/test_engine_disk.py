"""A full disk of the Engine's is said in words, with the place and the remedy."""

import pytest
from runsd_sdk.run import Reason

from runsd.run import Outcome
from runsd.supervise.engine_disk import explained


@pytest.mark.parametrize("root", ["/var/lib/docker", None])
def test_a_full_disk_is_explained(root: str | None) -> None:
    said = "cannot create the container: mkdir /var/lib/docker/overlay2/x: no space left on device"
    outcome = explained(Outcome(Reason.START_FAILED, said), root)
    assert outcome.message.startswith("the Docker Engine's disk is full; free space ")
    assert outcome.message.endswith(said)
    assert (root or "images and containers") in outcome.message
    assert outcome.reason is Reason.START_FAILED


def test_any_other_trouble_is_left_as_it_is() -> None:
    outcome = Outcome(Reason.START_FAILED, "cannot start the container: no such device")
    assert explained(outcome, "/var/lib/docker") is outcome
