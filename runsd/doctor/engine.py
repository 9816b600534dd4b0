"""The Docker Engine under examination: asked once, judged check by check."""

import asyncio
import os
import stat
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from runsd_sdk.quantity import format_bytes, format_cpu

from runsd.clock import Clock
from runsd.doctor.finding import Finding, Subject, failure, ok, warning
from runsd.doctor.rooms import judged_space, owning_group
from runsd.engine import facts
from runsd.engine.cgroup import Cgroups
from runsd.engine.port import EngineFacts, FoundImage
from runsd.engine.transport import Transport
from runsd.errors import EngineNotFound, EngineUnavailable

RESTART = "read `journalctl -u docker`, then `sudo systemctl restart docker`"
_MOST_SKEW_S = 2.0
_INTERFACES = Path("/sys/class/net")
DAEMON_JSON = "/etc/docker/daemon.json"
_BRIDGE_NAME = "com.docker.network.bridge.name"


@dataclass(frozen=True, slots=True)
class Answers:
    """What the Engine said of itself. ``skew_s`` is how far its clock is ahead of ours.

    With ``icc`` (inter-container communication) containers of the network bridge reach each other. If it is
    ``remapped``, users of containers are others on the host.
    """

    facts: EngineFacts
    skew_s: float
    log_drivers: Collection[str]
    limits: Collection[str]
    rootless: bool
    swarm: bool
    bridge: str | None
    gateway: str | None
    icc: bool
    seccomp: bool
    remapped: bool
    runtimes: Collection[str]
    exact_usage: bool
    images: Sequence[FoundImage]


async def ask(subject: Subject, clock: Clock) -> Answers:
    """Ask the Engine everything, within the subject's patience. Raises EngineError."""
    transport = Transport(subject.settings.engine.host)
    try:
        async with asyncio.timeout(subject.patience_s):
            return await _answers(transport, clock)
    except TimeoutError as silence:
        raise EngineUnavailable(
            f"the Docker Engine at {transport.host} does not answer within {subject.patience_s:g} s"
        ) from silence
    finally:
        await transport.close()


def out_of_reach(subject: Subject) -> Finding | None:
    """Say what is wrong with the Engine's socket before anybody connects to it; None if nothing is."""
    host = subject.settings.engine.host
    path = local_socket(host)
    if path is None:
        return None
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        remedy = (
            "start it (`sudo systemctl start docker`), install it (Debian, Ubuntu: `sudo apt-get install"
            " docker.io`), or name another with --docker-host"
        )
        return failure("engine", f"no Docker Engine listens at {path}: there is no such file", remedy)
    except OSError as trouble:
        remedy = "make the directories above it accessible, or name another with --docker-host"
        return failure("engine", f"cannot look at {path}: {trouble.strerror}", remedy)
    if not stat.S_ISSOCK(mode):
        remedy = "name the Engine's socket with --docker-host unix:///path"
        return failure("engine", f"{path} is not a socket", remedy)
    if not os.access(path, os.W_OK):
        remedy = f"join its group: `sudo usermod -aG {owning_group(path)} $USER`, then log in again"
        return failure("engine", f"you may not use the Docker Engine at {path}", remedy)
    return None


def local_socket(host: str) -> Path | None:
    """Return the path of an Engine of this host, None for one that is reached over the network."""
    parts = urlsplit(host)
    return Path(parts.netloc + parts.path) if parts.scheme == "unix" else None


def answers(subject: Subject, said: Answers) -> Finding:
    """Say that the Engine answers."""
    return ok("engine", f"Docker Engine {said.facts.version} answers at {subject.settings.engine.host}")


def api_version(_: Subject, said: Answers) -> Finding:
    """Say which API is spoken: a version that did not fit has ended the examination before."""
    return ok("api", f"both speak API {said.facts.api_version}")


def cores(subject: Subject, said: Answers) -> Finding:
    """Compare what runs are promised with what the Engine has."""
    settings, has = subject.settings, said.facts
    if settings.host_cpu_milli > 1000 * has.cpus or settings.host_memory_bytes > has.memory_bytes:
        return failure(
            "engine capacity",
            f"runs are promised {format_cpu(settings.host_cpu_milli)} cores and"
            f" {format_bytes(settings.host_memory_bytes)}, the Engine has {has.cpus} cores and"
            f" {format_bytes(has.memory_bytes)}",
            "set capacity.cpu and capacity.memory to at most what the Engine has",
        )
    return ok("engine capacity", f"the Engine has {has.cpus} cores and {format_bytes(has.memory_bytes)}")


def limits(_: Subject, said: Answers) -> Finding:
    """Say whether the kernel keeps containers within what they asked for."""
    missing = [name for name in ("cpu", "memory", "pids") if name not in said.limits]
    if missing:
        return failure(
            "limits",
            f"the Engine cannot limit {', '.join(missing)} of a container: one run may take the whole host",
            "boot with `cgroup_enable=memory`, and delegate the controllers to a rootless Engine",
        )
    if "swap" not in said.limits:
        return warning(
            "limits",
            "the Engine cannot limit swap: a run may use more memory than it asked for",
            "boot with `swapaccount=1`, or without swap",
        )
    return ok("limits", "processors, memory, swap and processes of each run are limited")


def usage(subject: Subject, said: Answers) -> Finding:
    """Say how well processor time and peak memory of runs can be known."""
    cgroups = f"cgroup v{said.facts.cgroup_version}, driver {said.facts.cgroup_driver}"
    if said.exact_usage:
        return ok("usage", f"processor time and peak memory of every run are exact ({cgroups})")
    if said.facts.cgroup_driver != "cgroupfs":
        why = "the Engine's driver lets nobody else make a cgroup for a container"
        remedy = (
            f'for exact figures set "exec-opts": ["native.cgroupdriver=cgroupfs"] in {DAEMON_JSON}'
            " and restart the Engine"
        )
    elif local_socket(subject.settings.engine.host) is None:
        why, remedy = "the Engine is on another host", "for exact figures run runsd beside the Engine"
    elif os.geteuid() != 0:
        why, remedy = "only root may make cgroups", "for exact figures run runsd as a service of the machine"
    else:
        why = "this process and the Engine do not see the same writable cgroups"
        remedy = "for exact figures run both outside of containers, with CAP_SYS_PTRACE"
    return warning(
        "usage",
        f"processor time and peak memory come from samples, and very short runs have none: {why} ({cgroups})",
        remedy,
    )


def bridge(subject: Subject, said: Answers) -> Finding:
    """Say whether containers get a network unless they say otherwise."""
    if said.bridge is None and subject.settings.network.isolate:
        return ok("network", "the default network is runsd's own, for the Engine has none")
    if said.bridge is None:
        return failure(
            "network",
            "the Engine has no bridge network: only runs with network none can start",
            f'remove "bridge": "none" from {DAEMON_JSON} and restart the Engine',
        )
    local = local_socket(subject.settings.engine.host) is not None and not said.rootless
    if local and not (_INTERFACES / said.bridge).exists():
        return failure(
            "network",
            f"the interface {said.bridge} is gone: every run with network bridge fails at its start",
            "restart the Engine, which makes it again (`sudo systemctl restart docker`)",
        )
    return ok("network", f"the default network uses the bridge {said.bridge}")


def storage(_: Subject, said: Answers) -> Finding:
    """Say how images are stored."""
    if said.facts.storage_driver == "vfs":
        return warning(
            "storage",
            "the storage driver vfs copies the whole image for every run",
            "put the Engine's directory on ext4 or xfs, where it takes overlay2",
        )
    return ok("storage", f"the storage driver is {said.facts.storage_driver}")


def disk(subject: Subject, said: Answers) -> Finding:
    """Judge the disk that holds images and containers."""
    root = Path(said.facts.root_dir)
    if local_socket(subject.settings.engine.host) is None or not root.exists():
        return ok("engine disk", f"the Engine keeps its images at {root}, out of sight from here")
    remedy = "free some: `docker image prune`, or move it with data-root in " + DAEMON_JSON
    return judged_space("engine disk", root, remedy)


def log_driver(_: Subject, said: Answers) -> Finding:
    """Say whether the Engine can keep the record of output that a restarted daemon reads on from."""
    if "json-file" not in said.log_drivers:
        others = ", ".join(sorted(said.log_drivers)) or "none"
        return failure(
            "logs",
            f"the Engine has no log driver json-file (it has {others})",
            "use a Docker Engine with its built-in log drivers",
        )
    default = said.facts.log_driver
    return ok("logs", f"runs log to json-file, whatever the Engine's default is ({default})")


def live_restore(_: Subject, said: Answers) -> Finding:
    """Say whether containers live through a restart of the Engine."""
    if said.facts.live_restore:
        return ok("live restore", "containers run on while the Engine restarts")
    if said.swarm:
        return ok(
            "live restore", "off, as the Engine's Swarm mode demands: its restart ends running containers"
        )
    return warning(
        "live restore",
        "off: a restart or an upgrade of the Engine ends running containers",
        f'set "live-restore": true in {DAEMON_JSON} and `systemctl reload docker` (not with Swarm mode)',
    )


def clock(_: Subject, said: Answers) -> Finding:
    """Compare the Engine's clock, which bills and dates runs, with ours, which watches deadlines."""
    if abs(said.skew_s) > _MOST_SKEW_S:
        direction = "ahead of" if said.skew_s > 0 else "behind"
        return warning(
            "clock",
            f"the Engine's clock is {abs(said.skew_s):.1f} s {direction} this host's",
            "synchronise both (`timedatectl set-ntp true`)",
        )
    return ok("clock", "the Engine's clock and this host's agree")


async def _answers(transport: Transport, clock: Clock) -> Answers:
    version = await transport.json("GET", "/version", versioned=False)
    api_version = await transport.api_version()
    before_us = clock()
    info = await transport.json("GET", "/info")
    described = facts.engine(version, info, api_version=api_version)
    security: list[str] = info.get("SecurityOptions") or []
    network = await _bridge(transport)
    ahead_us = described.system_time_us - min(max(described.system_time_us, before_us), clock())
    return Answers(
        facts=described,
        skew_s=ahead_us / 1e6,
        log_drivers=info["Plugins"].get("Log") or (),
        limits=_limits(info),
        rootless="name=rootless" in security,
        swarm=info.get("Swarm", {}).get("LocalNodeState") == "active",
        bridge=None if network is None else str(network["Options"].get(_BRIDGE_NAME, "docker0")),
        gateway=None if network is None else facts.gateway(network),
        icc=network is not None and network["Options"].get(facts.ICC, "true") == "true",
        seccomp=any(option.startswith("name=seccomp") for option in security),
        remapped="name=userns" in security,
        runtimes=tuple(info.get("Runtimes") or ()),
        exact_usage=await Cgroups.detect(described, transport.host) is not None,
        images=[facts.found_image(entry) for entry in await transport.json("GET", "/images/json")],
    )


def _limits(info: dict[str, Any]) -> set[str]:
    flags = {"cpu": "CpuCfsQuota", "memory": "MemoryLimit", "swap": "SwapLimit", "pids": "PidsLimit"}
    return {name for name, flag in flags.items() if info.get(flag)}


async def _bridge(transport: Transport) -> dict[str, Any] | None:
    try:
        network: dict[str, Any] = await transport.json("GET", "/networks/bridge")
    except EngineNotFound:
        return None
    return network
