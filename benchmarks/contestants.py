"""Those who carry out no-op runs: runsd, what people use instead, and the raw Engine below them all."""

import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Protocol

import docker
import engine
import images

from benchmarks.daemon import Daemon, no_op

LIMIT_S = 600.0


class Contestant(Protocol):
    """Somebody who is asked for no-op runs. Whatever fails raises: a run that failed is no measurement."""

    def single(self, network: str) -> None:
        """Carry out one run, and return when its caller knows that it is over."""

    def burst(self, runs: int, network: str) -> None:
        """Carry out so many runs, as many at once as this one does, and return when all are over."""

    def settle(self) -> None:
        """Return when nothing of its runs goes on behind the caller's back."""


@dataclass(frozen=True, slots=True)
class Runsd:
    """runsd by its SDK. How many runs go on at once is its own affair."""

    daemon: Daemon

    def single(self, network: str) -> None:
        """Submit one, and wait for the result."""
        self.daemon.client.create_and_wait(check=True, timeout=LIMIT_S, **no_op(network))

    def burst(self, runs: int, network: str) -> None:
        """Submit all together, and wait for every result."""
        for _ in self.daemon.client.map([{}] * runs, check=True, timeout=LIMIT_S, **no_op(network)):
            pass

    def settle(self) -> None:
        """Wait for the removal of its containers, which no result waits for."""
        self.daemon.settle()


@dataclass(frozen=True, slots=True)
class Command:
    """A command that runs one container and removes it: ``docker run``, ``podman run``; many by xargs."""

    run: tuple[str, ...]
    image: str
    at_once: int = 1

    def using(self, at_once: int) -> "Command":
        """Return the same with another concurrency."""
        return replace(self, at_once=at_once)

    def single(self, network: str) -> None:
        """Type the command once."""
        subprocess.run(self._command(network), stdin=subprocess.DEVNULL, check=True, timeout=LIMIT_S)

    def burst(self, runs: int, network: str) -> None:
        """Have xargs run it, so many at once. The number that xargs adds is an argument of ``true``."""
        command = ["xargs", f"-P{self.at_once}", "-n1", *self._command(network)]
        numbers = "".join(f"{n}\n" for n in range(runs))
        subprocess.run(command, input=numbers, text=True, check=True, timeout=LIMIT_S)

    def settle(self) -> None:
        """Do nothing: both commands return when their container is removed."""

    def _command(self, network: str) -> list[str]:
        return [*self.run, "--network", network, self.image, "true"]


@dataclass(frozen=True, slots=True)
class RawEngine:
    """The Engine, asked by docker-py in threads: create, start, wait, remove, and nothing besides."""

    client: docker.APIClient
    image: str
    at_once: int = 1
    left: list[str] = field(default_factory=list)

    def using(self, at_once: int) -> "RawEngine":
        """Return the same with another concurrency."""
        return replace(self, at_once=at_once)

    def single(self, network: str) -> None:
        """Create, start and wait; what is left behind is removed by ``settle``."""
        self.left.append(self._carry_out(self.client, network))

    def burst(self, runs: int, network: str) -> None:
        """Share the runs between threads, each with a connection of its own."""
        numbers = iter(range(runs))
        with ThreadPoolExecutor(self.at_once) as threads:
            for done in [threads.submit(self._share, numbers, network) for _ in range(self.at_once)]:
                done.result()

    def settle(self) -> None:
        """Remove what ``single`` left."""
        while self.left:
            self.client.remove_container(self.left.pop())

    def _share(self, numbers: Iterator[int], network: str) -> None:
        with images.connect() as client:
            for _ in numbers:
                client.remove_container(self._carry_out(client, network))

    def _carry_out(self, client: docker.APIClient, network: str) -> str:
        config = client.create_host_config(network_mode=network)
        container = str(client.create_container(self.image, ["true"], host_config=config)["Id"])
        client.start(container)
        code = client.wait(container)["StatusCode"]
        if code:
            raise RuntimeError(f"a no-op run ended with {code}")
        return container


def docker_run() -> Command | None:
    """Return Docker's own command, or None where there is none."""
    if shutil.which("docker") is None:
        return None
    return Command(("docker", "--host", engine.address(), "run", "--rm"), images.BUSYBOX)
