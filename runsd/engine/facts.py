"""The Engine's JSON turned into the port's facts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from docker import auth

from runsd import clock
from runsd.engine.port import (
    DEFAULT_PATH,
    ContainerFacts,
    ContainerState,
    EngineFacts,
    Found,
    FoundImage,
    ImageFacts,
    NetworkFacts,
    UsageSample,
)

Json = Mapping[str, Any]

ICC = "com.docker.network.bridge.enable_icc"
"""The option of a network that lets its containers reach each other, which they do where it is not set."""

_STATE_OF = {
    "created": ContainerState.CREATED,
    "running": ContainerState.RUNNING,
    "paused": ContainerState.RUNNING,
    "restarting": ContainerState.RUNNING,
    "removing": ContainerState.EXITED,
    "exited": ContainerState.EXITED,
    "dead": ContainerState.EXITED,
}


def engine(version: Json, info: Json, *, api_version: str) -> EngineFacts:
    """Read ``/version`` and ``/info``."""
    return EngineFacts(
        version=version["Version"],
        api_version=api_version,
        architecture=version["Arch"],
        cgroup_driver=info["CgroupDriver"],
        cgroup_version=int(info.get("CgroupVersion") or 1),
        log_driver=info["LoggingDriver"],
        storage_driver=info["Driver"],
        cpus=info["NCPU"],
        memory_bytes=info["MemTotal"],
        live_restore=info["LiveRestoreEnabled"],
        root_dir=info["DockerRootDir"],
        # Engines of one host may share an ID (20.10 keeps it in /etc/docker), but never a root directory.
        identity=f"{info['ID']} in {info['DockerRootDir']}",
        system_time_us=clock.micros(datetime.fromisoformat(info["SystemTime"])),
    )


def container(inspected: Json) -> ContainerFacts:
    """Read the answer of a container's inspection."""
    state = inspected["State"]
    return ContainerFacts(
        id=inspected["Id"],
        name=inspected["Name"].removeprefix("/"),
        state=_state(state),
        exit_code=state["ExitCode"],
        oom_killed=state["OOMKilled"],
        error=state["Error"],
        started_us=instant_us(state["StartedAt"]),
        finished_us=instant_us(state["FinishedAt"]),
        pid=state["Pid"],
        labels=inspected["Config"]["Labels"] or {},
        log_file_bytes=_log_file_bytes(inspected),
        joined=_joined(inspected),
    )


def found(listed: Json) -> Found:
    """Read one entry of the list of containers."""
    names = listed["Names"] or [""]  # empty while the container is being removed
    return Found(
        id=listed["Id"],
        name=names[0].removeprefix("/"),
        state=listed["State"],
        created_us=listed["Created"] * 1_000_000,
        labels=listed["Labels"] or {},
        joined=_joined(listed),
    )


def image(inspected: Json, reference: str) -> ImageFacts:
    """Read an image's inspection; its digest is the one under the reference's own repository."""
    repository = _repository(reference)
    digests: list[str] = inspected.get("RepoDigests") or []
    own = (digest for digest in digests if _repository(digest) == repository)
    config: Json = inspected.get("Config") or {}
    variables: list[str] = config.get("Env") or []
    paths = (value for name, _, value in (one.partition("=") for one in variables) if name == "PATH")
    return ImageFacts(
        id=inspected["Id"],
        digest=next(own, None),
        labels=config.get("Labels") or {},
        path=next(paths, DEFAULT_PATH),
    )


def found_image(listed: Json) -> FoundImage:
    """Read one entry of the list of images."""
    names = [name for name in listed.get("RepoTags") or [] if name != "<none>:<none>"]
    return FoundImage(
        id=listed["Id"],
        names=names,
        bytes=listed["Size"],
        created_us=listed["Created"] * 1_000_000,
        labels=listed["Labels"] or {},
    )


def usage(stats: Json) -> UsageSample | None:
    """Read a statistics answer; None when the container was not running."""
    memory = stats.get("memory_stats") or {}
    cpu_ns = stats["cpu_stats"]["cpu_usage"]["total_usage"]
    if "usage" not in memory:
        return None
    return UsageSample(
        cpu_us=cpu_ns // 1000,
        memory_bytes=memory["usage"],
        memory_peak_bytes=memory.get("max_usage"),  # cgroup v1 only
    )


def gateway(inspected: Json) -> str | None:
    """Read the host's IPv4 address in a network from the network's inspection."""
    configs = (inspected.get("IPAM") or {}).get("Config") or []
    gateways = (config.get("Gateway", "") for config in configs)
    return next((address for address in gateways if address and ":" not in address), None)


def network(inspected: Json) -> NetworkFacts:
    """Read a network's inspection."""
    options: dict[str, str] = inspected.get("Options") or {}
    return NetworkFacts(
        apart=inspected["Driver"] == "bridge" and options.get(ICC) == "false",
        labels=inspected.get("Labels") or {},
        members=tuple(inspected.get("Containers") or ()),
    )


def instant_us(text: str) -> int | None:
    """Return microseconds since the epoch, rounded down, or None for the Engine's zero time."""
    # The Engine writes nanoseconds; fromisoformat drops the digits after the sixth.
    instant = datetime.fromisoformat(text)
    return None if instant.year == 1 else clock.micros(instant)


def split_reference(reference: str) -> tuple[str, str]:
    """Return repository and tag or digest of an image reference; without either the tag is ``latest``."""
    name, _, digest = reference.partition("@")
    repository, colon, tag = name.rpartition(":")
    tagged = colon and "/" not in tag  # else the colon belongs to the registry's port
    if digest:
        return (repository if tagged else name), digest
    return (repository, tag) if tagged else (name, "latest")


def _state(state: Json) -> ContainerState:
    """Read the state; what has an end was running, also where the Engine does not know since when.

    One that was killed in the middle of a start calls the container "created" when that has ended (seen with
    Engine 20.10; moby: container/state.go, StateString), and another start would run the program again.
    """
    told = _STATE_OF[state["Status"]]
    if told is ContainerState.CREATED and instant_us(state["FinishedAt"]) is not None:
        return ContainerState.EXITED
    return told


def _joined(answer: Json) -> str | None:
    host: Json = answer.get("HostConfig") or {}
    mode, _, container = str(host.get("NetworkMode", "")).partition(":")
    return container if mode == "container" else None


def _log_file_bytes(inspected: Json) -> int | None:
    host: Json = inspected.get("HostConfig") or {}
    config: dict[str, str] = (host.get("LogConfig") or {}).get("Config") or {}
    size = config.get("max-size", "")
    return int(size) if size.isdecimal() else None


def _repository(reference: str) -> tuple[str, str]:
    registry, name = auth.resolve_repository_name(split_reference(reference)[0])
    return registry, name.removeprefix("library/") if registry == auth.INDEX_NAME else name
