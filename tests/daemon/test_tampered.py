"""Somebody tampers with what runsd relies on: nothing is destroyed for it, and nothing is claimed."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from runsd_sdk.run import Reason, Status

from tests.daemon.harness import ENDED_S, GATE, Daemon, container_name, eventually

BEFORE = b"".join(b"before %d\n" % n for n in range(3000))


def shortened(record: Path) -> None:
    """Empty a record, as people do whose disk is full."""
    record.write_bytes(b"")


def broken(record: Path) -> None:
    """Leave a torn line in a record, as a full disk does."""
    with record.open("ab") as file:
        file.write(b'{"log":"torn')


@pytest.mark.needs("root")
@pytest.mark.parametrize("tamper", [shortened, broken])
def test_output_that_is_stored_is_kept_whatever_becomes_of_the_engines_record(
    daemon: Daemon, tamper: Callable[[Path], None]
) -> None:
    handle = daemon.submit(
        "sh", "-c", f"for n in $(seq 0 2999); do echo before $n; done; {GATE}echo after; exit 4"
    )
    assert eventually(lambda: daemon.raw(handle.id) == BEFORE, within_s=ENDED_S)
    record = Path(daemon.inspect(handle.id)["LogPath"])
    if not record.exists():
        pytest.skip("needs an Engine whose files are seen from here")
    tamper(record)
    daemon.open_gate(handle.id)
    result = handle.wait(ENDED_S)
    assert (result.status, result.exit_code) == (Status.FAILED, 4)
    assert daemon.raw(handle.id).startswith(BEFORE + b"after\n")
    assert len(result.usage.attempts) == 1


def test_a_container_that_ran_is_not_started_again_by_an_engine_that_forgot(daemon: Daemon) -> None:
    handle = daemon.submit("sleep", "600")
    daemon.until(handle.id, "run.running")
    daemon.kill9()
    record = daemon.inspect(handle.id)
    daemon.eye.remove_container(record["Id"], force=True)
    daemon.eye.create_container(
        daemon.image, ["sleep", "600"], name=container_name(handle.id), labels=record["Config"]["Labels"]
    )
    daemon.start()
    result = handle.wait(ENDED_S)
    assert (result.status, result.reason) == (Status.FAILED, Reason.LOST)
    assert "forgot" in str(result.message)
    assert daemon.engine_events(handle.id, since=handle.refresh().created_at.timestamp())
    assert not result.usage.attempts


def test_a_running_container_of_a_run_that_is_not_known_has_its_grace(daemon: Daemon) -> None:
    handle = daemon.submit("sleep", "600")
    daemon.until(handle.id, "run.running")
    daemon.kill9()
    with closing(sqlite3.connect(daemon.directory / "data" / "runsd.db")) as db, db:
        db.execute("pragma foreign_keys = on")
        db.execute("delete from runs where id = ?", (handle.id,))
    daemon.start()
    try:
        # The reconciler's first look comes before this run is carried out.
        assert daemon.run("true").status is Status.SUCCEEDED
        assert daemon.inspect(handle.id)["State"]["Running"]
    finally:
        daemon.eye.remove_container(container_name(handle.id), force=True)
        daemon.restart()
