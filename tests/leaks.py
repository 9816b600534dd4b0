"""What a test session must not leave behind, in this process and on the Engine."""

import asyncio
import gc
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from docker import APIClient

INSTANCE = "io.runsd.instance"
SANDBOX = "io.runsd.sandbox"
WORKSHOP = "io.runsd.workshop"
PATIENCE_S = 5.0


class LeakWatch:
    """Compares threads and sockets at the end with the start; names the test after which each was new."""

    def __init__(self) -> None:
        self._at_start = open_things()
        self._since: dict[str, str] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
        """Look around after each test; fail the last one for what is still there when all is torn down."""
        yield
        for thing in open_things() - self._at_start:
            self._since.setdefault(thing, item.nodeid)
        if nextitem is None:
            gc.collect()  # what only waits to be collected is not open; if it was not closed, it warns now
            left = settled(lambda: open_things() - self._at_start)
            if left:
                lines = sorted(f"{thing}, since {self._since[thing]}" for thing in left)
                pytest.fail("left behind: " + "; ".join(lines), pytrace=False)


def open_things() -> set[str]:
    """Name the threads and sockets of this process."""
    threads = {f"thread {thread.name} ({thread.native_id})" for thread in threading.enumerate()}
    links = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            links.append(str(descriptor.readlink()))
        except FileNotFoundError:  # the directory's own descriptor is closed by now
            continue
    return threads | {link for link in links if link.startswith("socket:")}


def tasks_left(before: set["asyncio.Task[object]"]) -> list[str]:
    """Name the asyncio tasks that a test started and did not end."""
    now = asyncio.all_tasks() - before - {asyncio.current_task()}
    return sorted(repr(task) for task in now if not task.done())


def engine_leftovers(client: APIClient, instances: set[str]) -> set[str]:
    """Name the containers, volumes, cgroups and secret files of these daemons that are still there."""
    left: set[str] = set()
    for instance in instances:
        label = {"label": f"{INSTANCE}={instance}"}
        left |= {f"container {found['Names'][0]}" for found in client.containers(all=True, filters=label)}
        left |= {f"volume {found['Name']}" for found in client.volumes(filters=label)["Volumes"] or []}
        making = {"label": f"{WORKSHOP}={instance}"}
        left |= {f"container {found['Names'][0]}" for found in client.containers(all=True, filters=making)}
        for place in ("runsd", "*/runsd"):  # cgroup v2, v1
            left |= {f"cgroup {path}" for path in Path("/sys/fs/cgroup").glob(f"{place}/{instance}.*")}
        for place in ("/dev/shm", "/run"):
            left |= {f"secret {path}" for path in Path(place).glob(f"runsd*/**/{instance}/*")}
    return left


def sandboxes(client: APIClient, instance: str) -> dict[str, str]:
    """Return the sandboxes of a daemon: state by id."""
    found = client.containers(all=True, filters={"label": f"{SANDBOX}={instance}"})
    return {one["Id"]: one["State"] for one in found}


def networks(client: APIClient, instances: Iterable[str]) -> set[str]:
    """Name the networks of daemons that have left."""
    labels = {f"{INSTANCE}={instance}" for instance in instances}
    return {one["Name"] for label in labels for one in client.networks(filters={"label": label})}


def settled(look: Callable[[], set[str]], *, within_s: float = PATIENCE_S) -> set[str]:
    """Look until nothing is left, or patience ends: what is on its way out may go."""
    until = time.monotonic() + within_s
    while (left := look()) and time.monotonic() < until:
        time.sleep(0.05)
    return left
