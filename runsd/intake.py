"""What this host accepts: configured defaults filled in, and what it can never do refused. Pure."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from runsd_sdk.project import Project, ProjectLimits
from runsd_sdk.python import DEFAULT_VERSION, PythonSpec, SourceSpec
from runsd_sdk.quantity import format_bytes, format_cpu
from runsd_sdk.spec import Requests, Resources, RunSpec

from runsd import admission
from runsd.config import Settings
from runsd.errors import Location, Refused


def accept(
    spec: RunSpec,
    settings: Settings,
    largest: admission.Resources,
    *,
    project: Project | None = None,
    at: Location = (),
) -> RunSpec:
    """Return the spec with the defaults of this host, and of its project, in the place of what was not said.

    The project's repository is the source of Python runs that neither name one nor say null. ``largest``
    is the most that a single run can get. Raises Refused, naming each field and its remedy.
    """
    repository = project.repository if project else None
    asked = spec.resources.requests
    requests = Requests(
        cpu=asked.cpu if "cpu" in asked.model_fields_set else settings.defaults.cpu,
        memory=asked.memory if "memory" in asked.model_fields_set else settings.defaults.memory,
        gpu=asked.gpu,
    )
    timeout_s = settings.defaults.timeout_seconds
    if "timeout_seconds" in spec.model_fields_set:
        timeout_s = spec.timeout_seconds
    said: dict[str, Any] = {"resources": Resources(requests=requests), "timeout_seconds": timeout_s}
    if spec.python is not None and repository is not None and "source" not in spec.model_fields_set:
        said["source"] = SourceSpec(git=repository)
    if spec.user is None and settings.containers.user is not None:
        said["user"] = settings.containers.user
    if spec.python is not None and spec.image is None:
        python = spec.python.model_copy(update={"version": spec.python.version or DEFAULT_VERSION})
        said |= {"python": python, "image": python_image(python, settings)}
    full = spec.model_copy(update=said)
    objections = [*_objections(full, settings, largest), *_over(project.limits if project else None, full)]
    errors = [((*at, *loc), remedy) for loc, remedy in objections]
    if errors:
        raise Refused(f"cannot accept this run: {errors[0][1]}", errors=errors)
    return full


def python_image(python: PythonSpec, settings: Settings) -> str:
    """Return the image of a version of Python on this host."""
    return settings.images.python.replace("{version}", python.version or DEFAULT_VERSION)


def largest_run(settings: Settings) -> admission.Resources:
    """Return the most that one run can get: the Engine gives nobody more cores than there are."""
    return admission.Resources(settings.host_cpu_milli, settings.host_memory_bytes)


def capacity(settings: Settings) -> admission.Resources:
    """Return what all runs together can get."""
    cpu_milli = int(settings.host_cpu_milli * settings.capacity.overcommit)
    return admission.Resources(cpu_milli, settings.host_memory_bytes)


def check_timeout(timeout_s: int, settings: Settings) -> None:
    """Raise Refused for a timeout over the configured maximum."""
    if timeout_s > settings.defaults.max_timeout_seconds:
        said = f"timeoutSeconds may be at most {settings.defaults.max_timeout_seconds} on this host"
        raise Refused(f"cannot accept this timeout: {said}", errors=[(("timeoutSeconds",), said)])


def _objections(
    spec: RunSpec, settings: Settings, largest: admission.Resources
) -> Iterator[tuple[Location, str]]:
    requests = spec.resources.requests
    if requests.cpu_milli > largest.cpu_milli:
        said = f"this host gives a run at most {format_cpu(largest.cpu_milli)} cores, not {requests.cpu}"
        yield ("resources", "requests", "cpu"), said
    if requests.memory_bytes > largest.memory_bytes:
        said = f"this host gives a run at most {format_bytes(largest.memory_bytes)}, not {requests.memory}"
        yield ("resources", "requests", "memory"), said
    if requests.gpus > largest.gpus:
        yield ("resources", "requests", "gpu"), f"this host has {largest.gpus} GPUs, not {requests.gpus}"
    if spec.timeout_seconds > settings.defaults.max_timeout_seconds:
        said = f"timeoutSeconds may be at most {settings.defaults.max_timeout_seconds} on this host"
        yield ("timeoutSeconds",), said
    if spec.python is not None and spec.source is None:
        if spec.python.entrypoint.needs_source:
            yield ("source",), "a file needs a source to be in; give source.git or source.upload"
        elif spec.python.requirements is not None:
            yield ("source",), "python.requirements is a file of a source; give source.git or source.upload"
    if not any(fnmatchcase(spec.reference, glob) for glob in settings.images.allow):
        allowed = ", ".join(settings.images.allow)
        remedy = "choose one of them, or ask its administrator to add this one to images.allow"
        yield ("image",), f"this host runs only images like {allowed}; {remedy}"
    if not settings.containers.allow_root and not _is_no_root(spec.user):
        yield ("user",), "this host runs nothing as root; give user as a number, as in 1000 or 1000:1000"
    if spec.runtime not in (None, settings.containers.runtime, *settings.containers.runtimes):
        yield ("runtime",), _no_runtime(settings)
    networks = ("bridge", "none", *settings.network.allow)
    if spec.network not in networks or spec.network == "host":
        yield ("network",), f"network must be one of {', '.join(n for n in networks if n != 'host')}"


def _no_runtime(settings: Settings) -> str:
    named = dict.fromkeys(filter(None, (settings.containers.runtime, *settings.containers.runtimes)))
    if not named:
        return "this host lets no run choose; leave runtime out, or have it added to containers.runtimes"
    return f"runtime must be one of {', '.join(named)}, or left out"


def _is_no_root(user: str | None) -> bool:
    """Say whether a container's user is certainly not root: a name may be anybody's in the image."""
    number = (user or "").partition(":")[0]
    return number.isdecimal() and int(number) != 0


def _over(limits: ProjectLimits | None, spec: RunSpec) -> Iterator[tuple[Location, str]]:
    """Find what a run asks for beyond all that its project may have at once."""
    if limits is None:
        return
    asked = spec.resources.requests
    if limits.cpu_milli is not None and asked.cpu_milli > limits.cpu_milli:
        said = f"its project may hold {format_cpu(limits.cpu_milli)} cores at once, not {asked.cpu}"
        yield ("resources", "requests", "cpu"), f"{said}; ask for less, or have an admin raise limits.cpu"
    if limits.memory_bytes is not None and asked.memory_bytes > limits.memory_bytes:
        said = f"its project may hold {format_bytes(limits.memory_bytes)} at once, not {asked.memory}"
        yield (
            ("resources", "requests", "memory"),
            f"{said}; ask for less, or have an admin raise limits.memory",
        )
