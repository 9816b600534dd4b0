"""What an Engine says to the start of a container that a killed one has half started."""

import pytest

from runsd.supervise.starting import half_started

ID = "30e891e37283ef3e64ded75dd8be03b744dbda1c9902fcdb4224eb84a1afbc07"


@pytest.mark.parametrize(
    "said",
    [
        f"task {ID}: already exists: unknown",
        f"OCI runtime create failed: container with id exists: {ID}: id already in use: unknown",
        f"failed to start shim: mkdir /run/docker/containerd/daemon/moby/{ID}: file exists: unknown",
    ],
)
def test_what_is_left_of_an_earlier_start_is_no_fact_about_the_program(said: str) -> None:
    assert half_started(said)


@pytest.mark.parametrize(
    "said",
    [
        'OCI runtime create failed: exec: "nothing": executable file not found in $PATH: unknown',
        "failed to start shim: fork/exec /usr/bin/containerd-shim-runc-v2: cannot allocate memory",
    ],
)
def test_an_ordinary_refusal_is_the_runs_own(said: str) -> None:
    assert not half_started(said)
