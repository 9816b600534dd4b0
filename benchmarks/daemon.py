"""A daemon to measure: its client, its processor time, its memory."""

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import images
import psutil
import serving
from runsd_sdk import RunsClient

SMALL = {"requests": {"cpu": "1", "memory": "64Mi"}}
DISK = "/var/tmp"  # noqa: S108  # /tmp may be memory, where a durable write costs nothing
# The daemon makes sandboxes when there was quiet for half a second: that is its own affair too.
SETTLE_S, STILL_S = 60.0, 0.8
# What is measured is runsd, not its admission: the host is promised many times over.
ROOMY = {"RUNSD_CAPACITY__CPU": "1000", "RUNSD_CAPACITY__MEMORY": "256Gi"}


@dataclass(frozen=True, slots=True)
class Daemon:
    """A ``runsd serve`` of our own, asked by its SDK."""

    served: serving.Served
    client: RunsClient
    process: psutil.Process
    engine: docker.APIClient

    def cpu_s(self) -> float:
        """Return the processor time that it has used so far."""
        times = self.process.cpu_times()
        return times.user + times.system

    def resident_bytes(self) -> int:
        """Return the memory that it has in use."""
        return int(self.process.memory_info().rss)

    def settle(self) -> None:
        """Return when no ended run has a container any more, and nothing has come or gone for a while.

        What the daemon does on the Engine behind its callers' backs is thus nobody else's burden.
        """
        until = time.monotonic() + SETTLE_S
        seen, since = self._containers(), time.monotonic()
        while any(ended for _, ended in seen) or time.monotonic() - since < STILL_S:
            if time.monotonic() > until:
                raise TimeoutError(f"the daemon's containers come and go after {SETTLE_S:g} s")
            time.sleep(0.05)
            if (now := self._containers()) != seen:
                seen, since = now, time.monotonic()

    def _containers(self) -> set[tuple[str, bool]]:
        """Return the ids of its containers, and whether each is one of a run that does not run."""
        return {
            (each["Id"], "io.runsd.run" in each["Labels"] and each["State"] != "running")
            for label in serving.LABELS
            for each in self.engine.containers(all=True, filters={"label": f"{label}={self.served.instance}"})
        }


@contextmanager
def daemon(settings: Mapping[str, str] = ROOMY, *, folder: Path | None = None) -> Iterator[Daemon]:
    """Lend a daemon with settings; its folder, if not given, is made and removed."""
    with (
        tempfile.TemporaryDirectory(prefix="runsd-bench-", dir=DISK) as made,
        serving.served(folder or Path(made), **settings) as served,
        RunsClient(served.host) as client,
        images.connect() as engine,
    ):
        yield Daemon(served, client, psutil.Process(served.pid), engine)


def no_op(network: str = "none", **fields: Any) -> Any:
    """Return the fields of a run that does nothing."""
    spec = {"image": images.BUSYBOX, "command": ["true"], "network": network, "resources": SMALL}
    return {**spec, **fields}


def sleeper(**fields: Any) -> Any:
    """Return the fields of a run that is there, and does nothing."""
    return no_op(command=["sleep", "3600"], stop_grace_seconds=0, **fields)
