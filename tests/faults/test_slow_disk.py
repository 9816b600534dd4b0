"""A disk that stands still for a while: programs go on, and their output is complete when it moves again."""

import sqlite3
from contextlib import closing

from runsd_sdk.run import Status

from tests.conftest import Serve
from tests.daemon.harness import ENDED_S, GATE, container_name

LINES = 1_000_000  # half as much again as a capture keeps in memory


def test_a_program_ends_while_its_output_cannot_be_stored_and_loses_none(serve: Serve) -> None:
    """An Engine drops the end of what a program wrote if whoever is attached has not read for 2 s."""
    with serve() as daemon:
        handle = daemon.submit("sh", "-c", f"{GATE}seq {LINES}")
        daemon.until(handle.id, "run.running")
        logs = sqlite3.connect(daemon.directory / "data" / "logs.db", isolation_level=None)
        with closing(logs):
            logs.execute("begin immediate")
            daemon.open_gate(handle.id)
            daemon.eye.wait(container_name(handle.id), timeout=ENDED_S)
            logs.execute("rollback")
        result = handle.wait(ENDED_S)
        assert result.status is Status.SUCCEEDED
        assert daemon.raw(handle.id) == b"".join(b"%d\n" % n for n in range(1, LINES + 1))
