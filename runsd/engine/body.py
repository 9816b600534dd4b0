"""A container request in the Engine's own terms: the body of ``POST /containers/create``."""

from collections.abc import Mapping
from typing import Any

from docker.types import HostConfig, LogConfig, Mount
from docker.types.containers import ContainerConfig

from runsd.engine import pause
from runsd.engine.facts import ICC
from runsd.engine.port import Confinement, ContainerRequest, SandboxRequest

CAPABILITIES = (
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
)
"""Docker's default capabilities without three that a job does not need: NET_RAW (forges packets on the bridge
that runs share; ping works without it), MKNOD (makes device nodes) and AUDIT_WRITE (forges the host's audit
log; only login services write there, and ``no-new-privileges`` excludes them anyway)."""

_VERSION = "1.41"  # docker-py checks what it is asked for against this; the Engine takes newer ones too
_NANO_PER_MILLI = 1_000_000
_NOBODY = "65534:65534"
_INHERITED = ("com.docker.network.driver.mtu", "com.docker.network.bridge.enable_ip_masquerade")
_TEMPORARY = "/tmp"  # noqa: S108 - the container's


def create_body(request: ContainerRequest, confinement: Confinement) -> dict[str, Any]:
    """Return the JSON body that makes the container.

    With an ``entrypoint`` the image's ENTRYPOINT and CMD are both replaced: the Engine appends the image's
    CMD only where the request names no entrypoint.
    """
    body = ContainerConfig(
        _VERSION,
        request.image,
        list(request.args or ()),
        entrypoint=None if request.entrypoint is None else list(request.entrypoint),
        environment=dict(request.env),
        labels=dict(request.labels),
        working_dir=request.workdir,
        user=request.user,
        host_config=_host_config(request, confinement),
    )
    return {key: value for key, value in body.items() if value is not None}


def sandbox_body(request: SandboxRequest) -> dict[str, Any]:
    """Return the JSON body that makes a sandbox: a program that waits, with nothing that it could use.

    It stops by SIGKILL, for the first process of a container ignores what it has no handler for, and an
    Engine that is leaving would wait for it in vain.
    """
    host = HostConfig(
        _VERSION,
        network_mode=request.network,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        read_only=True,
        log_config=LogConfig(type="none", config={}),
    )
    body = ContainerConfig(
        _VERSION, request.image, [pause.PATH], labels=dict(request.labels), user=_NOBODY, host_config=host
    )
    return {key: value for key, value in body.items() if value is not None} | {"StopSignal": "SIGKILL"}


def network_body(name: str, labels: Mapping[str, str], *, default: Mapping[str, str]) -> dict[str, Any]:
    """Return the JSON body that makes a network without communication between its containers.

    The Engine's own settings hold for its default network alone: packets that are too large for the way out
    would be lost in another one (moby: --mtu, daemon/config).
    """
    like = {key: default[key] for key in _INHERITED if key in default}
    return {
        "Name": name,
        "CheckDuplicate": True,  # Engines before 25 would make a second one of that name
        "Driver": "bridge",
        "Labels": dict(labels),
        "Options": {**like, ICC: "false"},
    }


def _host_config(request: ContainerRequest, confinement: Confinement) -> HostConfig:
    return HostConfig(
        _VERSION,
        nano_cpus=request.cpu_milli * _NANO_PER_MILLI,
        mem_limit=request.memory_bytes,
        memswap_limit=request.memory_bytes,  # memory and swap together: no swap
        shm_size=request.shm_bytes,
        pids_limit=confinement.max_processes,
        runtime=request.runtime or confinement.runtime,
        read_only=request.read_only,
        tmpfs=_tmpfs(request),
        cap_drop=["ALL"],
        cap_add=list(CAPABILITIES),
        security_opt=["no-new-privileges"],
        network_mode=f"container:{request.sandbox}" if request.sandbox else request.network,
        cgroup_parent=request.cgroup_parent,
        init=True,
        log_config=_log_config(request.log_file_bytes),
        mounts=[
            *(
                Mount(mount.path, mount.volume, type="volume", read_only=mount.read_only)
                for mount in request.mounts
            ),
            *(Mount(bind.path, bind.source, type="bind", read_only=True) for bind in request.binds),
            # Volumes without a name, which go with their container: a tmpfs would be empty when it has ended.
            *(Mount(path, None, type="volume") for path in (request.kept if request.read_only else ())),
        ],
    )


def _tmpfs(request: ContainerRequest) -> dict[str, str] | None:
    """Return what can be written besides volumes where the rest cannot; it counts as the run's memory.

    Programs may be executed there, as in an ordinary /tmp: compilers and installers of plugins do so.
    """
    if not request.read_only or any(mount.path == _TEMPORARY for mount in request.mounts):
        return None
    return {_TEMPORARY: f"rw,nosuid,nodev,exec,mode=1777,size={request.memory_bytes // 2}"}


def _log_config(file_bytes: int) -> LogConfig:
    # With fewer than three files followers may hang at a rotation (moby#37646).
    return LogConfig(type="json-file", config={"max-size": str(file_bytes), "max-file": "3"})
