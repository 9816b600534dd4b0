"""Type=notify: what systemd is told, and that it is true when it is told."""

import asyncio
from pathlib import Path
from statistics import median

import pytest
from runsd_sdk import RunsClient

from runsd import notify
from tests.service.launch import PATIENCE_S, Manager, serving, started


def test_ready_is_said_when_the_socket_answers_and_stopping_on_sigterm(
    tmp_path: Path, engine_host: str
) -> None:
    with Manager(tmp_path / "notify") as manager:
        command = serving(tmp_path, engine_host)
        with started(command, tmp_path, NOTIFY_SOCKET=str(manager.path)) as process:
            manager.until("READY=1")
            # No patience: a first refusal would be the end.
            with RunsClient(f"unix://{tmp_path / 'runsd.sock'}", patience_seconds=0) as client:
                assert client.health().status == "ok"
            process.terminate()
            manager.until("STOPPING=1")
            assert process.wait(PATIENCE_S) == 0
        assert [message for _, message in manager.heard] == ["READY=1", "STOPPING=1"]


async def test_a_long_start_asks_for_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Manager(tmp_path / "notify") as manager:
        monkeypatch.setenv("NOTIFY_SOCKET", str(manager.path))
        monkeypatch.setattr(notify, "_LONG_START_S", 0.01)
        async with notify.long_start():
            await asyncio.to_thread(manager.until, "EXTEND_TIMEOUT_USEC=20000", times=2)


def test_the_watchdog_is_fed_at_half_its_interval(tmp_path: Path, engine_host: str) -> None:
    with Manager(tmp_path / "notify") as manager:
        more = {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "400000"}
        with started(serving(tmp_path, engine_host), tmp_path, **more):
            manager.until("READY=1")
            manager.until("WATCHDOG=1", times=8)
        assert 0.15 < median(manager.gaps("WATCHDOG=1")) < 0.4


def test_a_watchdog_that_is_meant_for_another_process_is_not_fed(tmp_path: Path, engine_host: str) -> None:
    with Manager(tmp_path / "notify") as manager:
        more = {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"}
        with started(serving(tmp_path, engine_host), tmp_path, **more) as process:
            manager.until("READY=1")
            process.terminate()
            manager.until("STOPPING=1")
            process.wait(PATIENCE_S)
        assert manager.count("WATCHDOG=1") == 0


def test_a_manager_that_has_gone_stops_nothing(tmp_path: Path, engine_host: str) -> None:
    with Manager(tmp_path / "notify") as manager:
        more = {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "20000"}
        command = serving(tmp_path, engine_host)
        with started(command, tmp_path, **more) as process:
            manager.until("READY=1")
            manager.__exit__()
            with RunsClient(f"unix://{tmp_path / 'runsd.sock'}", patience_seconds=0) as client:
                assert client.health().status == "ok"
            process.terminate()
            assert process.wait(PATIENCE_S) == 0


def test_an_abstract_address_is_understood(tmp_path: Path, engine_host: str) -> None:
    name = f"runsd-test-{tmp_path.name}"
    with (
        Manager(Path(f"\0{name}")) as manager,
        started(serving(tmp_path, engine_host), tmp_path, NOTIFY_SOCKET=f"@{name}"),
    ):
        manager.until("READY=1")
