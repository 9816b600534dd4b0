"""A real daemon under test: started, killed, paused, looked into; and nothing of it may be left."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeVar

import docker
import httpx2
from runsd_sdk import RunHandle, RunResult, RunsClient
from runsd_sdk.host import Volume
from runsd_sdk.run import Event

from runsd.environments.naming import ENVIRONMENT
from runsd.faults import VARIABLE
from tests import leaks

RUNSD = Path(sys.executable).with_name("runsd")
READY_S = 30.0
STOPPED_S = 20.0
ENDED_S = 60
# Small runs, several at once; the Engine is still asked for few starts at a time.
SETTINGS = {
    "RUNSD_CAPACITY__OVERCOMMIT": "4",
    "RUNSD_CAPACITY__MEMORY": "2Gi",
    "RUNSD_DEFAULTS__CPU": "500m",
    "RUNSD_DEFAULTS__MEMORY": "32Mi",
    "RUNSD_DEFAULTS__TIMEOUT_SECONDS": "60",
}
# A script that begins with this goes on when Daemon.open_gate is called.
GATE = "until [ -e /gate ]; do sleep 0.02; done; "
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A result, and the Engine's own record of the container, read by docker-py before runsd saw the exit."""

    result: RunResult
    record: dict[str, Any]

    @property
    def state(self) -> dict[str, Any]:
        """The part of the record that says how it ended."""
        state: dict[str, Any] = self.record["State"]
        return state

    @property
    def ran(self) -> timedelta:
        """FinishedAt less StartedAt, each to the microsecond below."""
        return engine_instant(self.state["FinishedAt"]) - engine_instant(self.state["StartedAt"])


class Daemon:
    """A ``runsd serve`` with socket, data and log in a directory of its own."""

    def __init__(
        self, directory: Path, eye: docker.APIClient, engine_host: str, *, image: str, **settings: str
    ) -> None:
        self.directory = directory
        self.eye = eye
        self.image = image
        self.socket = directory / "runsd.sock"
        self.docker_config = directory / "docker"
        self.docker_config.mkdir()
        self.instance = ""
        self._command = [
            str(RUNSD), "serve", "--socket", str(self.socket),
            "--data-dir", str(directory / "data"), "--docker-host", engine_host,
        ]  # fmt: skip
        self.prefix: list[str] = []
        self._settings = {**SETTINGS, **settings}
        self._log = directory / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.client = RunsClient(f"unix://{self.socket}", patience_seconds=READY_S)
        self._stack.callback(self.client.close)
        transport = httpx2.HTTPTransport(uds=str(self.socket))
        self.http = self._stack.enter_context(
            httpx2.Client(transport=transport, base_url="http://runsd", timeout=ENDED_S)
        )
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            self._end(failed=error is not None)

    # The process

    @property
    def pid(self) -> int:
        """The process that serves."""
        assert self._process is not None
        return self._process.pid

    def start(self, **more: str) -> None:
        """Start it, and return when it says that its socket answers (READY=1, sd_notify(3)).

        ``more`` is put into its environment, this time only.
        """
        notify = self.directory / "notify"
        notify.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear, self._log.open("ab") as log:
            ear.bind(str(notify))
            ear.settimeout(0.2)
            environment = self.environment() | {"NOTIFY_SOCKET": str(notify)} | more
            self._process = self._popen(environment, log)
            self._await_ready(ear)
        self.instance = self.client.info().instance

    def start_doomed(self, point: str) -> None:
        """Start it with a point at which it will kill itself (runsd/faults.py); it may never be ready."""
        with self._log.open("ab") as log:
            self._process = self._popen(self.environment() | {VARIABLE: point}, log)

    def await_death(self, within_s: float = ENDED_S) -> None:
        """Return when it has killed itself."""
        assert self._process is not None
        assert self._process.wait(within_s) == -signal.SIGKILL, self._log.read_text()[-2000:]
        self._process = None

    def _popen(self, environment: dict[str, str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        """Begin the process; what ``prefix`` puts before the command ends by executing it."""
        return subprocess.Popen([*self.prefix, *self._command], env=environment, stdout=log, stderr=log)

    def environment(self) -> dict[str, str]:
        """Return what the process is started with: nothing of the caller's own runsd."""
        mine = {key: value for key, value in os.environ.items() if not key.startswith("RUNSD_")}
        return {**mine, **self._settings, "DOCKER_CONFIG": str(self.docker_config)}

    def serve_again(
        self, *, socket: Path | None = None, data_dir: Path | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Try to serve a second time, with another socket or other data, and return what came of it."""
        command = list(self._command)
        command[command.index("--socket") + 1] = str(socket or self.socket)
        command[command.index("--data-dir") + 1] = str(data_dir or self.directory / "data")
        return subprocess.run(
            command, env=self.environment(), capture_output=True, text=True, timeout=READY_S, check=False
        )

    def kill9(self) -> None:
        """End it as a crash does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(STOPPED_S)
        self._process = None

    def asked_to_death(self, method: str, path: str, **request: Any) -> None:
        """Make a request that the process does not outlive (``RUNSD_FAULT`` was set as it was started)."""
        assert self._process is not None
        with suppress(httpx2.TransportError):
            self.http.request(method, path, **request)
        assert self._process.wait(STOPPED_S) == -signal.SIGKILL
        self._process = None

    @contextmanager
    def unburied(self) -> Iterator[None]:
        """End it as a crash does, while its parent does not look: it stays as a zombie."""
        assert self._process is not None
        dead, self._process = self._process, None
        dead.kill()
        os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)
        try:
            yield
        finally:
            dead.wait(STOPPED_S)

    def terminate(self, signal: int = signal.SIGTERM) -> int:
        """Ask it to leave, and return its exit code."""
        assert self._process is not None
        self._process.send_signal(signal)
        code = self._process.wait(STOPPED_S)
        self._process = None
        return code

    def ensure_up(self) -> None:
        """Start it if it is not there."""
        if self._process is None:
            self.start()

    def ensure_down(self) -> None:
        """Kill it if it is there."""
        if self._process is not None:
            self.kill9()

    def restart(self) -> None:
        """Stop it in an orderly way, and start it again."""
        assert self.terminate() == 0
        self.start()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keep it from doing or seeing anything for a while."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def logged(self) -> list[dict[str, Any]]:
        """Return the log of all its processes."""
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    # Runs

    def submit(self, *command: str, **spec: Any) -> RunHandle:
        """Submit a small run without a network."""
        return self.client.create(**self.spec(*command, **spec))

    def run(self, *command: str, **spec: Any) -> RunResult:
        """Carry out a small run without a network."""
        return self.submit(*command, **spec).wait(ENDED_S)

    def spec(self, *command: str, **spec: Any) -> Any:
        """Return the fields of a small run without a network."""
        return {"image": self.image, "command": list(command), "network": "none", **spec}

    def until(self, run_id: str, *types: str, since: int | None = None) -> Event:
        """Return the first event of these types that a run has; it must come before the run is over."""
        with closing_stream(self.client.events(run_id, follow=True, since=since)) as events:
            seen = []
            for event in events:
                seen.append(event.type)
                if event.type in types:
                    return event
        raise AssertionError(f"{run_id} has ended without {' or '.join(types)}: {seen}")

    def witnessed(self, script: str, **spec: Any) -> Witnessed:
        """Carry out a shell script; runsd looks away while it ends, and docker-py reads the record."""
        handle = self.submit("sh", "-c", GATE + script, **spec)
        self.until(handle.id, "run.running")
        with self.paused():
            self.open_gate(handle.id)
            self.eye.wait(container_name(handle.id), timeout=ENDED_S)
            record = self.eye.inspect_container(container_name(handle.id))
        return Witnessed(handle.wait(ENDED_S), record)

    def open_gate(self, run_id: str, attempt: int = 1, *, name: str = "gate") -> None:
        """Let a script go on that waits at the GATE, or for another file in the root directory."""
        text = io.BytesIO()
        with tarfile.open(fileobj=text, mode="w") as tar:
            tar.addfile(tarfile.TarInfo(name))
        assert self.eye.put_archive(container_name(run_id, attempt), "/", text.getvalue())

    def inspect(self, run_id: str, attempt: int = 1) -> dict[str, Any]:
        """Return what the Engine says of an attempt's container."""
        record: dict[str, Any] = self.eye.inspect_container(container_name(run_id, attempt))
        return record

    def engine_events(self, run_id: str, *, since: float) -> list[dict[str, Any]]:
        """Return what the Engine remembers (its last 256 events) of a run's first container."""
        of = {"container": container_name(run_id)}
        # The Engine takes fractions of seconds; the types of docker-py do not know.
        return list(self.eye.events(since=since, until=time.time(), filters=of, decode=True))  # type: ignore[call-overload]

    def raw(self, run_id: str, stream: str = "stdout", **query: Any) -> bytes:
        """Return the exact bytes of a log."""
        answer = self.http.get(
            f"/v1/runs/{run_id}/logs", params={"stream": stream, **query}, headers={"Accept": "text/plain"}
        )
        answer.raise_for_status()
        return answer.content

    @contextmanager
    def volume(self, name: str) -> Iterator[Volume]:
        """Lend a volume."""
        volume = self.client.volumes.create(name)
        try:
            yield volume
        finally:
            self.client.volumes.delete(volume.id)

    # The end

    def _end(self, *, failed: bool) -> None:
        try:
            if not failed:
                assert self._process is not None, "the test has left the daemon dead"
                self._end_runs()
                left = leaks.settled(self._left)
                code = self.terminate()
                assert code == 0, f"exit code {code} on SIGTERM: {self._log.read_text()[-2000:]}"
                assert not self._complaints(), self._complaints()
                assert not left, f"left on the Engine: {sorted(left)}"
                unused = leaks.sandboxes(self.eye, self.instance)
                assert not unused, f"sandboxes left on the Engine: {unused}"
                networks = leaks.networks(self.eye, {self.instance})
                assert not networks, f"networks left on the Engine: {networks}"
        finally:
            self._sweep()

    def _end_runs(self) -> None:
        for run in list(self.client.iterate(status=["pending", "running"])):
            self.client.cancel(run.id)
        for run in list(self.client.iterate(status=["pending", "running"])):
            self.client.wait(run.id, ENDED_S)

    def _left(self) -> set[str]:
        return leaks.engine_leftovers(self.eye, {self.instance})

    def _complaints(self) -> list[str]:
        lines = self._log.read_text().splitlines()
        return [line for line in lines if not line.startswith("{") or json.loads(line)["level"] == "error"]

    def _sweep(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOPPED_S)
        label = {"label": f"{leaks.INSTANCE}={self.instance}"}
        for found in self.eye.containers(all=True, filters=label) if self.instance else ():
            self.eye.remove_container(found["Id"], force=True)
        for sandbox in leaks.sandboxes(self.eye, self.instance) if self.instance else ():
            self.eye.remove_container(sandbox, force=True)
        for found in (self.eye.volumes(filters=label)["Volumes"] or ()) if self.instance else ():
            self.eye.remove_volume(found["Name"], force=True)
        for network in leaks.networks(self.eye, {self.instance} - {""}):
            self.eye.remove_network(network)
        environments = {"label": f"{ENVIRONMENT}={self.instance}"}
        for found in self.eye.images(filters=environments) if self.instance else ():
            # One that has lost its name, to another daemon's, is called <none>:<none> by old Engines.
            names = [name for name in found["RepoTags"] or () if not name.startswith("<none>")]
            for name in names or [found["Id"]]:
                self.eye.remove_image(name, force=True)
        for left in sorted(self._left() if self.instance else ()):
            kind, _, path = left.partition(" ")
            if kind == "cgroup":
                Path(path).rmdir()

    def _await_ready(self, ear: socket.socket) -> None:
        until = time.monotonic() + READY_S
        while time.monotonic() < until:
            assert self._process is not None
            if self._process.poll() is not None:
                break
            try:
                if b"READY=1" in ear.recv(4096):
                    return
            except TimeoutError:
                continue
        raise AssertionError(f"the daemon is not ready: {self._log.read_text()[-4000:]}")


def container_name(run_id: str, attempt: int = 1) -> str:
    """Return the name that an attempt's container must have."""
    return f"runsd-{run_id.removeprefix('run_')}-{attempt}"


def engine_instant(text: str) -> datetime:
    """Read the Engine's RFC 3339 with nanoseconds, rounded down to the microsecond."""
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    whole = datetime.fromisoformat(seconds).replace(tzinfo=UTC)
    return whole + timedelta(microseconds=int(fraction.ljust(9, "0")[:6]))


@contextmanager
def closing_stream(stream: Iterator[T]) -> Iterator[Iterator[T]]:
    """End a stream of the SDK before its own end."""
    assert isinstance(stream, Generator)
    with closing(stream):
        yield stream


def first_line(handle: RunHandle) -> str:
    """Wait for the first line of a run's output."""
    with closing_stream(handle.logs(follow=True)) as entries:
        return next(entries).text


def eventually(look: Callable[[], bool], *, within_s: float = 10.0) -> bool:
    """Look until it is so, for what nobody signals."""
    until = time.monotonic() + within_s
    while not look():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def mount(volume: Volume, path: str, *, read_only: bool = False) -> Mapping[str, Any]:
    """Return a mount of a volume."""
    return {"volumeId": volume.id, "mountPath": path, "readOnly": read_only}
