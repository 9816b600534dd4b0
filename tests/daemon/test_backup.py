"""Backup and restore around a real daemon: what was over stays as it was, what was alive is found out."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from runsd_sdk import NotFound
from runsd_sdk.run import Reason, Status

from tests.conftest import Serve
from tests.daemon.harness import GATE, READY_S, RUNSD, Daemon, container_name, eventually, first_line

ENDED_S = 120
HALF = {"requests": {"cpu": "500m", "memory": "32Mi"}}


@pytest.fixture(scope="module")
def daemon(serve: Serve) -> Iterator[Daemon]:
    """A daemon on which two small runs fit, and no third."""
    with serve(RUNSD_CAPACITY__CPU="1", RUNSD_CAPACITY__OVERCOMMIT="1") as daemon:
        yield daemon


def test_a_backup_is_restored_with_runs_in_every_phase(daemon: Daemon, tmp_path: Path) -> None:
    ended = daemon.run("sh", "-c", "seq 100; exit 3")
    live = daemon.submit("sh", "-c", f"echo before; {GATE} seq 100", resources=HALF)
    first_line(live)
    removed = daemon.submit("sh", "-c", "echo before; sleep 600", resources=HALF)
    first_line(removed)
    daemon.until(removed.id, "run.running")
    queued = daemon.submit("echo", "at last")
    backed_up(daemon, tmp_path / "backup")
    after = daemon.submit("echo", "not in the backup")

    assert daemon.terminate() == 0
    daemon.eye.remove_container(container_name(removed.id), force=True)
    shutil.move(daemon.directory / "data", tmp_path / "old")
    restored(daemon, tmp_path / "backup")
    daemon.start()

    assert daemon.client.result(ended.id) == ended
    assert daemon.raw(ended.id).decode() == ended.stdout
    lost = removed.wait(ENDED_S)
    assert (lost.reason, lost.stdout, lost.usage.cost_usd) == (Reason.LOST, "before\n", "0")
    assert queued.wait(ENDED_S).stdout == "at last\n"
    daemon.open_gate(live.id)
    result = live.wait(ENDED_S)
    assert (result.status, result.stdout) == (Status.SUCCEEDED, "before\n" + ended.stdout)
    with pytest.raises(NotFound):
        daemon.client.get(after.id)
    assert eventually(lambda: daemon.client.info().live == 0)


def test_a_run_from_an_upload_can_be_repeated_after_a_restore(
    daemon: Daemon, tmp_path: Path, python_image: str
) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "program.py").write_text("def value():\n    return 'from the upload'\n")
    upload = daemon.client.upload(tmp_path / "work")
    first = daemon.client.create_and_wait(
        timeout=ENDED_S, check=True, image=python_image, source={"upload": upload.id},
        python={"entrypoint": {"function": "program.py:value"}},
    )  # fmt: skip
    backed_up(daemon, tmp_path / "backup")
    assert daemon.terminate() == 0
    shutil.move(daemon.directory / "data", tmp_path / "old")
    restored(daemon, tmp_path / "backup")
    daemon.start()
    again = daemon.client.rerun(first.id).wait(ENDED_S, check=True)
    assert again.return_value == first.return_value == "from the upload"


def test_backups_beside_a_flood_of_output_hold_whole_logs(daemon: Daemon, tmp_path: Path) -> None:
    ended = daemon.run("sh", "-c", "seq 2000")
    flood = daemon.submit("sh", "-c", "yes numbered | head -c 40000000")
    first_line(flood)
    for n in range(3):
        backed_up(daemon, tmp_path / f"backup-{n}")
        assert daemon.run("sh", "-c", "seq 2000").stdout == ended.stdout
    flood.wait(ENDED_S)
    for n in range(3):
        command = ["restore", tmp_path / f"backup-{n}", "--data-dir", tmp_path / f"data-{n}"]
        assert runsd(*command).returncode == 0


def test_no_restore_into_the_data_of_a_daemon(daemon: Daemon, tmp_path: Path) -> None:
    backed_up(daemon, tmp_path / "backup")
    refused = runsd("restore", tmp_path / "backup", "--data-dir", daemon.directory / "data")
    assert refused.returncode == 1
    assert "another runsd holds it" in refused.stderr


def backed_up(daemon: Daemon, file: Path) -> None:
    done = runsd("backup", file, "--data-dir", daemon.directory / "data")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr.startswith("runsd: backed up ")


def restored(daemon: Daemon, file: Path) -> None:
    done = runsd("restore", file, "--data-dir", daemon.directory / "data")
    assert done.returncode == 0, done.stderr


def runsd(*words: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([RUNSD, *words], capture_output=True, text=True, check=False, timeout=4 * READY_S)
