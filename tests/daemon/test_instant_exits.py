"""Runs that end as soon as they begin, in great number: nothing of what they said may be missing."""

import pytest
from runsd_sdk.run import Reason, Status

from tests.daemon.harness import Daemon

MANY = 200


@pytest.mark.timeout(180)
def test_200_instant_exits_in_a_row_lose_no_output_and_no_code(daemon: Daemon) -> None:
    specs = [
        daemon.spec("sh", "-c", f"echo line {n}; echo error {n} >&2; exit {n % 5}", labels={"n": str(n)})
        for n in range(MANY)
    ]
    handles = daemon.client.create_batch(specs)
    for n, handle in enumerate(handles):
        result = handle.wait(170)
        assert (result.stdout, result.stderr) == (f"line {n}\n", f"error {n}\n")
        assert (result.reason, result.exit_code, result.attempt) == (Reason.EXITED, n % 5, 1)
    succeeded = list(daemon.client.iterate(status="succeeded"))
    failed = list(daemon.client.iterate(status=Status.FAILED))
    assert (len(succeeded), len(failed)) == (MANY // 5, MANY - MANY // 5)
    assert [run.labels["n"] for run in daemon.client.iterate()] == [str(n) for n in reversed(range(MANY))]
    assert {group.key for group in daemon.client.usage(group_by="run").groups or ()} == {
        h.id for h in handles
    }
