"""What a run was asked to do, as facts for readers. Pure."""

import json
import shlex
from collections.abc import Iterator

from runsd_sdk.quantity import memory_bytes
from runsd_sdk.spec import RunSpec

from runsd.web.words import cores, duration, size


def facts(spec: RunSpec) -> list[tuple[str, str]]:
    """Return what is worth telling of a spec, each with its name."""
    return [*_program(spec), *_bounds(spec), *_place(spec)]


def _program(spec: RunSpec) -> Iterator[tuple[str, str]]:
    yield "Image", spec.reference
    if spec.command is not None:
        yield "Command", shlex.join(spec.command)
    if spec.args is not None:
        yield "Arguments", shlex.join(spec.args)
    if (python := spec.python) is None:
        return
    entry = python.entrypoint
    if python.version:
        yield "Python", python.version
    for name, value in (("File", entry.file), ("Module", entry.module), ("Function", entry.function)):
        if value:
            yield name, value
    if entry.args:
        yield "Arguments", json.dumps(entry.args, ensure_ascii=False)
    if entry.kwargs:
        yield "Named arguments", json.dumps(entry.kwargs, ensure_ascii=False)
    if python.dependencies:
        yield "Dependencies", ", ".join(python.dependencies)
    if python.requirements:
        yield "Requirements", python.requirements
    if spec.source is not None and (git := spec.source.git) is not None:
        yield "Source", git.url + (f" at {git.ref}" if git.ref else "")
    elif spec.source is not None and spec.source.upload:
        yield "Source", spec.source.upload


def _bounds(spec: RunSpec) -> Iterator[tuple[str, str]]:
    requests = spec.resources.requests
    yield "Cores", cores(requests.cpu_milli)
    yield "Memory", size(requests.memory_bytes)
    if requests.gpus:
        yield "GPUs", str(requests.gpus)
    yield "Timeout", duration(spec.timeout_seconds)
    yield "Grace to stop", duration(spec.stop_grace_seconds)
    if spec.queue_ttl_seconds is not None:
        yield "Waits at most", duration(spec.queue_ttl_seconds)
    if spec.retries is not None and spec.retries.limit:
        said = spec.retries
        first, last = duration(said.backoff_seconds), duration(said.max_backoff_seconds)
        yield "Retries", f"up to {said.limit}, after {first} to {last}, on {', '.join(said.on)}"
    if spec.priority:
        yield "Priority", str(spec.priority)


def _place(spec: RunSpec) -> Iterator[tuple[str, str]]:
    if spec.workdir:
        yield "Directory", spec.workdir
    if spec.user:
        yield "User", spec.user
    yield "Network", spec.network
    if spec.runtime:
        yield "Runtime", spec.runtime
    if spec.pull_policy != "missing":
        yield "Pull", spec.pull_policy
    if memory_bytes(spec.shm_size, minimum=1) != 64 * 1024**2:
        yield "Shared memory", size(memory_bytes(spec.shm_size, minimum=1))
