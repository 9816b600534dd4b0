"""A daemon to measure: its client, its processor time, its memory."""

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import images
import psutil
import serving
from runsd_sdk import RunsClient

SMALL = {"requests": {"cpu": "1", "memory": "64Mi"}}
SETTLE_S = 60.0
# What is measured is runsd, not its admission: the host is promised many times over.
ROOMY = {"RUNSD_CAPACITY__CPU": "1000", "RUNSD_CAPACITY__MEMORY": "256Gi"}


@dataclass(frozen=True, slots=True)
class Daemon:
    """A ``runsd serve`` of our own, asked by its SDK."""

    served: serving.Served
    client: RunsClient
    process: psutil.Process

    def cpu_s(self) -> float:
        """Return the processor time that it has used so far."""
        times = self.process.cpu_times()
        return times.user + times.system

    def resident_bytes(self) -> int:
        """Return the memory that it has in use."""
        return int(self.process.memory_info().rss)

    def settle(self) -> None:
        """Return when the containers of its runs that are over are gone from the Engine."""
        mine = {"label": [f"io.runsd.instance={self.served.instance}", "io.runsd.run"]}
        until = time.monotonic() + SETTLE_S
        with images.connect() as docker:
            while docker.containers(all=True, filters={**mine, "status": ["created", "exited", "dead"]}):
                if time.monotonic() > until:
                    raise TimeoutError(f"containers of ended runs are there after {SETTLE_S:g} s")
                time.sleep(0.05)


@contextmanager
def daemon(settings: Mapping[str, str] = ROOMY, *, folder: Path | None = None) -> Iterator[Daemon]:
    """Lend a daemon with settings; its folder, if not given, is made and removed."""
    with (
        tempfile.TemporaryDirectory(prefix="runsd-bench-") as made,
        serving.served(folder or Path(made), **settings) as served,
        RunsClient(served.host) as client,
    ):
        yield Daemon(served, client, psutil.Process(served.pid))


def no_op(network: str = "none", **fields: Any) -> Any:
    """Return the fields of a run that does nothing."""
    spec = {"image": images.BUSYBOX, "command": ["true"], "network": network, "resources": SMALL}
    return {**spec, **fields}


def sleeper(**fields: Any) -> Any:
    """Return the fields of a run that is there, and does nothing."""
    return no_op(command=["sleep", "3600"], stop_grace_seconds=0, **fields)
