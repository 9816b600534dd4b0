"""A disk that fills up: new runs are refused with the reason, and nothing of the accepted ones is lost."""

import json
import tarfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import docker
import httpx2
import pytest
from runsd_sdk.run import Reason, Run, RunResult, Status

from tests.daemon.harness import ENDED_S, GATE, Daemon, eventually
from tests.faults.engine import PrivateEngine
from tests.faults.small_disk import MIB, SmallDisk, small_disk

pytestmark = [pytest.mark.needs("small-disks"), pytest.mark.timeout(300)]

NOTICED_S = 60.0
LINES = 300_000
CHATTY = f"awk 'BEGIN {{ for (n = 1; n <= {LINES}; n++) printf \"%063d\\n\", n }}'"
# Every one of these says that the disk is full, as it should.
TOLD = {"sqlite.commit_failed", "sqlite.rollback_failed", "logs.store_failed", "queue.stalled"}


class Filled(Daemon):
    """A daemon whose disk a test fills: it may say so in its log."""

    def _complaints(self) -> list[str]:
        return [line for line in super()._complaints() if json.loads(line)["event"] not in TOLD]


ONE_AT_A_TIME = {"RUNSD_CAPACITY__CPU": "1", "RUNSD_CAPACITY__OVERCOMMIT": "1", "RUNSD_DEFAULTS__CPU": "1"}


@dataclass(frozen=True, slots=True)
class House:
    """A daemon and the small disk on which its data is."""

    daemon: Filled
    disk: SmallDisk

    def post(self, *command: str, **more: Any) -> httpx2.Response:
        """Ask for a run as plainly as can be."""
        spec = self.daemon.spec(*command)
        return self.daemon.http.post("/v1/runs", json=spec, **more)

    def refused(self) -> dict[str, Any]:
        """Ask for a run until that is refused, and return the problem."""
        answers: list[httpx2.Response] = []

        def asked() -> bool:
            answers.append(self.post("true"))
            return answers[-1].status_code != 201

        assert eventually(asked, within_s=NOTICED_S)
        assert answers[-1].status_code == 503
        problem: dict[str, Any] = answers[-1].json()
        return problem

    def shows(self, status: str) -> bool:
        """Wait until health says so."""
        return eventually(lambda: self.daemon.client.health().status == status, within_s=NOTICED_S)

    def billed(self, runs: list[Run]) -> bool:
        """Say whether the month's bill is that of these runs, exactly."""
        nano = sum(round(run.usage.vcpu_seconds * 1e9) for run in runs)
        return round(self.daemon.client.usage().vcpu_seconds * 1e9) == nano


Furnish = Callable[..., AbstractContextManager[House]]


@pytest.fixture
def house(
    tmp_path_factory: pytest.TempPathFactory,
    docker_client: docker.APIClient,
    engine_host: str,
    busybox_image: str,
    instances: set[str],
) -> Furnish:
    """Start a daemon on a small disk."""

    @contextmanager
    def furnish(size: int, **settings: str) -> Iterator[House]:
        directory = tmp_path_factory.mktemp("disk")
        with (
            small_disk(directory / "data", size) as disk,
            Filled(directory, docker_client, engine_host, image=busybox_image, **settings) as daemon,
        ):
            instances.add(daemon.instance)
            yield House(daemon, disk)

    return furnish


def test_too_little_space_stops_new_runs_and_nothing_else(house: Furnish) -> None:
    with house(48 * MIB, RUNSD_RETENTION__MIN_FREE_BYTES="16Mi", **ONE_AT_A_TIME) as home:
        daemon = home.daemon
        running = daemon.submit("sh", "-c", GATE + "echo done")
        daemon.until(running.id, "run.running")
        daemon.client.tasks.create("kept", schedule={"cron": "@yearly"}, **daemon.spec("true"))
        key = {"headers": {"Idempotency-Key": "once"}}
        queued = home.post("true", **key).json()["id"]

        def upload() -> Iterator[bytes]:
            yield tarfile.TarInfo("a").tobuf()
            home.disk.fill(leave=12 * MIB)
            assert home.shows("degraded")
            yield bytes(1024)

        tar = {"Content-Type": "application/x-tar"}
        sent = daemon.http.post("/v1/sources", content=upload(), headers=tar)
        assert (sent.status_code, sent.json()["code"]) == (503, "disk")
        problem = home.refused()
        assert problem["code"] == "disk"
        for said in (str(home.disk.path), "are free", "16.0 MiB are wanted", "free some space"):
            assert said in problem["detail"]
        for method, path, body in (
            ("PUT", "/v1/secrets/A", {"value": "hush"}),
            ("POST", "/v1/tasks", {"name": "saved", "spec": daemon.spec("true")}),
            ("POST", "/v1/tasks/kept/webhook", {}),
        ):
            saving = daemon.http.request(method, path, json=body)
            assert (saving.status_code, saving.json()["code"]) == (503, "disk"), path
        paused = daemon.http.patch("/v1/tasks/kept", json={"schedule": {"paused": True}})
        assert paused.status_code == 200
        health = daemon.client.health()
        assert (health.status, health.admitting) == ("degraded", False)
        assert str(home.disk.path) in (health.message or "")
        assert [disk.place for disk in health.disks if disk.short] == ["data"]
        assert "runsd_disk_pressure 1.0" in daemon.http.get("/metrics").text
        again = home.post("true", **key)
        assert (again.status_code, again.json()["id"]) == (200, queued)

        daemon.open_gate(running.id)
        assert running.wait(ENDED_S).stdout == "done\n"
        why = daemon.client.why(queued)
        assert any("no run is started at the moment" in detail for detail in why.details)
        assert daemon.client.get(queued).status is Status.PENDING

        home.disk.clear()
        assert daemon.client.wait(queued, ENDED_S).status is Status.SUCCEEDED
        assert home.shows("ok")
        assert daemon.run("true").status is Status.SUCCEEDED
        assert len([line for line in daemon.logged() if line["event"] == "disk.scarce"]) == 1


def test_a_flood_of_output_fills_the_disk_and_is_whole_when_there_is_space(house: Furnish) -> None:
    with house(64 * MIB, RUNSD_RETENTION__MIN_FREE_BYTES="0") as home:
        daemon = home.daemon
        home.disk.fill(leave=9 * MIB)
        chatty = daemon.submit("sh", "-c", CHATTY)
        assert home.shows("degraded")
        assert home.refused()["code"] == "disk"  # though a small commit may yet succeed
        assert daemon.client.get(chatty.id).status is not Status.FAILED
        daemon.kill9()  # what was not stored is in the Engine's record
        home.disk.clear()
        daemon.start()
        ended = chatty.wait(ENDED_S)
        assert (ended.status, ended.exit_code) == (Status.SUCCEEDED, 0)
        assert daemon.raw(chatty.id) == _numbered()
        assert ended.logs.stdout_bytes == 64 * LINES
        assert home.billed(list(daemon.client.iterate()))


def test_a_flood_goes_on_by_itself_when_there_is_space(house: Furnish) -> None:
    with house(64 * MIB, RUNSD_RETENTION__MIN_FREE_BYTES="0") as home:
        home.disk.fill(leave=9 * MIB)
        chatty = home.daemon.submit("sh", "-c", CHATTY)
        assert home.shows("degraded")
        home.disk.clear()
        ended: RunResult = chatty.wait(ENDED_S)
        assert ended.status is Status.SUCCEEDED
        assert home.daemon.raw(chatty.id) == _numbered()
        assert home.shows("ok")


def test_state_fills_the_disk_and_every_accepted_run_is_kept(house: Furnish) -> None:
    with house(48 * MIB, RUNSD_RETENTION__MIN_FREE_BYTES="0", **ONE_AT_A_TIME) as home:
        daemon = home.daemon
        running = daemon.submit("sh", "-c", GATE + "true")
        daemon.until(running.id, "run.running")
        home.disk.fill(leave=6 * MIB)
        accepted = [running.id]
        large = {"FILLER": "x" * 100_000}
        for _ in range(1000):
            answer = daemon.http.post("/v1/runs", json={**daemon.spec("true"), "env": large})
            if answer.status_code != 201:
                break
            accepted.append(answer.json()["id"])
        assert (answer.status_code, answer.json()["code"]) == (503, "disk")
        daemon.open_gate(running.id)  # it ends while its end cannot be stored
        daemon.kill9()
        home.disk.clear()
        daemon.start()
        assert running.wait(ENDED_S).status is Status.SUCCEEDED
        assert [run.id for run in daemon.client.iterate()] == accepted[::-1]
        assert daemon.client.wait(accepted[1], ENDED_S).status is Status.SUCCEEDED


def test_a_daemon_started_on_a_full_disk_says_so_and_starts_when_there_is_space(house: Furnish) -> None:
    with house(32 * MIB, RUNSD_RETENTION__MIN_FREE_BYTES="0") as home:
        before = home.daemon.run("true")
        assert home.daemon.terminate() == 0
        home.disk.fill(leave=0)
        tried = home.daemon.serve_again()
        assert tried.returncode == 1
        assert "is full: free some space there, then start runsd again" in tried.stderr
        home.disk.clear()
        home.daemon.start()
        assert home.daemon.client.get(before.id).status is Status.SUCCEEDED


@pytest.mark.needs("private-engine")
def test_on_a_full_disk_of_the_engine_runs_fail_and_say_so(
    tmp_path_factory: pytest.TempPathFactory, docker_client: docker.APIClient, busybox_image: str
) -> None:
    directory = tmp_path_factory.mktemp("disk")
    with small_disk(directory / "engine", 64 * MIB) as disk, PrivateEngine() as engine:
        (engine.directory / "data").symlink_to(disk.path)
        engine.start()
        engine.load(busybox_image, docker_client)
        settings = {"RUNSD_RETENTION__MIN_FREE_BYTES": "0"}
        with Filled(directory, engine.eye, engine.host, image=busybox_image, **settings) as daemon:
            assert daemon.run("true").status is Status.SUCCEEDED
            # The removal of its container, which follows the result, gives space back.
            runs = {"label": "io.runsd.run"}
            assert eventually(lambda: not engine.eye.containers(all=True, filters=runs), within_s=NOTICED_S)
            disk.fill(leave=0)
            failed = daemon.run("true")
            assert (failed.status, failed.reason) == (Status.FAILED, Reason.START_FAILED)
            assert "the Docker Engine's disk is full; free space in" in (failed.message or "")
            assert str(disk.path) in (failed.message or "")
            disk.clear()
            assert daemon.client.rerun(failed.id).wait(ENDED_S).status is Status.SUCCEEDED
            daemon.terminate()
            daemon.start(RUNSD_RETENTION__MIN_FREE_BYTES="32Mi")
            disk.fill(leave=16 * MIB)
            assert eventually(lambda: daemon.client.health().status == "degraded", within_s=NOTICED_S)
            assert [room.place for room in daemon.client.health().disks if room.short] == ["engine"]
            disk.clear()
            assert eventually(lambda: daemon.client.health().status == "ok", within_s=NOTICED_S)


def _numbered() -> bytes:
    return b"".join(b"%063d\n" % n for n in range(1, LINES + 1))
