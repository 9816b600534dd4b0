"""What a caller may ask for: the RunSpec and its parts, each field with its own remedy."""

import posixpath
import re
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from runsd_sdk import quantity
from runsd_sdk.python import DEFAULT_VERSION, PythonSpec, SourceSpec
from runsd_sdk.secret import SecretUse, conflict
from runsd_sdk.wire import Body

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
# The first part is a registry only if it looks like one: a dot, a port, or localhost.
_DOMAIN = rf"(?:(?:localhost|{_LABEL}(?:\.{_LABEL})+|{_LABEL}(?=:))(?::\d{{1,5}})?/)"
_PATH = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
# Grammar: the Distribution project's "reference" (domain/path:tag@digest).
_IMAGE = re.compile(
    rf"{_DOMAIN}?{_PATH}(?:/{_PATH})*(?::\w[\w.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?|"
    r"sha256:[0-9a-f]{64}",
    re.ASCII,
)
_LABEL_KEY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,126}[A-Za-z0-9])?", re.ASCII)
_NETWORK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", re.ASCII)
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,63})?", re.ASCII)
_RUNTIME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", re.ASCII)
_RETRY_ON = re.compile(r"exited(?::\d{1,3})?|oom_killed|deadline_exceeded|image_pull_failed|lost", re.ASCII)
# execve(2): of one argument or variable Linux takes 128 KiB, its end included.
_MOST_TEXT_BYTES = 128 * 1024 - 1
_MOST_PATH_BYTES = 4095
_MOST_ENV_BYTES = 1024**2
_KEPT_BY_SYSTEM = ("/proc", "/sys", "/dev", "/run/secrets", "/run/runsd")


def _image(value: str) -> str:
    name = value.partition("@")[0].rpartition(":")[0] or value  # the grammar bounds tag and digest
    if len(name) > 255 or len(value) > 512 or not _IMAGE.fullmatch(value):
        raise ValueError(
            f"{value[:80]!r} is not an image reference; write [registry/]name[:tag][@sha256:…] in lower case"
        )
    return value


def _no_nul(value: str) -> str:
    if "\0" in value:
        raise ValueError("a NUL byte cannot be passed to a program; remove it")
    if len(value.encode()) > _MOST_TEXT_BYTES:
        raise ValueError(
            "no program takes a text of 128 KiB or more; put it into a file, on a volume for example"
        )
    return value


def _env(value: dict[str, str]) -> dict[str, str]:
    for key, text in value.items():
        if not key or "=" in key or "\0" in key:
            raise ValueError(f"{key[:80]!r} is not a variable name; it must not be empty or hold '=' or NUL")
        if len(f"{key}={text}".encode()) > _MOST_TEXT_BYTES:
            raise ValueError(
                f"{key[:80]!r} is longer than 128 KiB, which no program takes; put it into a file"
            )
    if sum(len(key) + len(text) for key, text in value.items()) > _MOST_ENV_BYTES:
        raise ValueError("all variables together are more than 1 MiB; put them into a file")
    return value


def _absolute(value: str) -> str:
    if not value.startswith("/") or re.search(r"[\0-\x1f\x7f]", value):
        raise ValueError(f"{value[:80]!r} is not an absolute path; start it with '/'")
    if len(value.encode()) > _MOST_PATH_BYTES:
        raise ValueError(
            f"{value[:80]!r}… is longer than {_MOST_PATH_BYTES} bytes, which no system call takes"
        )
    if ".." in value.split("/"):
        raise ValueError(f"{value!r} must not contain '..'; write the path it means")
    return posixpath.normpath("/" + value.lstrip("/"))


def _mount_path(value: str) -> str:
    path = _absolute(value)
    if path == "/" or any(path == p or path.startswith(p + "/") for p in _KEPT_BY_SYSTEM):
        raise ValueError(f"{value!r} is kept by the system; mount the volume elsewhere, such as /data")
    return path


def _labels(value: dict[str, str]) -> dict[str, str]:
    if len(value) > 64:
        raise ValueError(f"{len(value)} labels are too many; at most 64 are kept")
    for key, text in value.items():
        if not _LABEL_KEY.fullmatch(key):
            raise ValueError(
                f"{key[:40]!r} is not a label key; use 1 to 128 letters, digits, '.', '_', '-', '/'"
            )
        if len(text) > 256 or "\0" in text:
            raise ValueError(f"label {key!r} is longer than 256 characters or holds a NUL")
    return value


def _matching(pattern: re.Pattern[str], what: str) -> AfterValidator:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(f"{value[:80]!r} is not {what}")
        return value

    return AfterValidator(check)


def _cpu(value: str | int | float) -> str | int | float:
    quantity.cpu_milli(value)
    return value


def _memory(value: str | int | float) -> str | int | float:
    quantity.memory_bytes(value)
    return value


def _shm(value: str | int | float) -> str | int | float:
    quantity.memory_bytes(value, minimum=1)
    return value


def _gpu(value: str | int | float) -> str | int | float:
    quantity.gpu_count(value)
    return value


Text = Annotated[str, AfterValidator(_no_nul)]
Arguments = Annotated[list[Text], Field(min_length=1, max_length=4096)]
Image = Annotated[str, AfterValidator(_image)]
Env = Annotated[dict[str, Text], AfterValidator(_env)]
Labels = Annotated[dict[str, str], AfterValidator(_labels)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
Cpu = Annotated[str | int | float, AfterValidator(_cpu)]
Memory = Annotated[str | int | float, AfterValidator(_memory)]
TimeoutSeconds = Annotated[int, Field(ge=1, le=86_400)]


class Requests(Body):
    """What one attempt gets, and may not exceed: cores, memory, GPUs (Kubernetes quantities)."""

    cpu: Cpu = "1"
    memory: Memory = "1Gi"
    gpu: Annotated[str | int | float, AfterValidator(_gpu)] = "0"

    @property
    def cpu_milli(self) -> int:
        """Thousandths of a core."""
        return quantity.cpu_milli(self.cpu)

    @property
    def memory_bytes(self) -> int:
        """Bytes, swap included: a run has none."""
        return quantity.memory_bytes(self.memory)

    @property
    def gpus(self) -> int:
        """Whole devices."""
        return quantity.gpu_count(self.gpu)


class Resources(Body):
    """The envelope that Kubernetes users expect around requests."""

    requests: Requests = Requests()


class VolumeMount(Body):
    """A volume, by id or name, and where the run sees it."""

    volume_id: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    mount_path: Annotated[str, AfterValidator(_mount_path)]
    read_only: bool = False


class Retries(Body):
    """When a failed attempt is followed by another, and how long after (exponential, with jitter)."""

    limit: Annotated[int, Field(ge=0, le=10)] = 0
    backoff_seconds: Annotated[int | float, Field(ge=0, le=3600)] = 1
    max_backoff_seconds: Annotated[int | float, Field(ge=0, le=86_400)] = 60
    on: Annotated[
        list[Annotated[str, _matching(_RETRY_ON, "a cause of retries; see the documentation of 'on'")]],
        Field(max_length=64),
    ] = [
        "exited",
        "oom_killed",
        "image_pull_failed",
        "lost",
    ]


class RunSpec(Body):
    """One request to execute a container to completion: an image and its command, or a Python program."""

    python: PythonSpec | None = None
    source: Annotated[SourceSpec | None, Field(validate_default=True)] = None
    image: Annotated[Image | None, Field(validate_default=True)] = None
    command: Arguments | None = None
    args: Arguments | None = None
    env: Env = {}
    secrets: Annotated[list[SecretUse], Field(max_length=64)] = []
    resources: Resources = Resources()
    volume_mounts: Annotated[list[VolumeMount], Field(max_length=64)] = []
    timeout_seconds: TimeoutSeconds = 3600
    stop_grace_seconds: Annotated[int | float, Field(ge=0, le=600)] = 10
    queue_ttl_seconds: Annotated[int, Field(ge=1, le=31_536_000)] | None = None
    retries: Retries | None = None
    name: Name | None = None
    labels: Labels = {}
    workdir: Annotated[str, AfterValidator(_absolute)] | None = None
    user: Annotated[str, _matching(_USER, "a user; write a name or id, or user:group")] | None = None
    network: Annotated[str, _matching(_NETWORK, "a network; write bridge, none or a network's name")] = (
        "bridge"
    )
    runtime: Annotated[str, _matching(_RUNTIME, "a runtime; write the name of one, as in runsc")] | None = (
        None
    )
    pull_policy: Literal["missing", "always", "never"] = "missing"
    priority: Annotated[int, Field(ge=-100, le=100)] = 0
    shm_size: Annotated[str | int | float, AfterValidator(_shm)] = "64Mi"

    @property
    def reference(self) -> str:
        """The image that it is made from: its own, or the one that has its version of Python."""
        if self.image is not None or self.python is None:
            return self.image or ""
        return f"python:{self.python.version or DEFAULT_VERSION}-slim"

    @property
    def secret_names(self) -> tuple[str, ...]:
        """The secrets without which it cannot be carried out, each once."""
        git = None if self.source is None else self.source.git
        fetching = [] if git is None or git.secret is None else [git.secret]
        return tuple(dict.fromkeys([*(use.name for use in self.secrets), *fetching]))

    @field_validator("secrets")
    @classmethod
    def _secrets_have_places(cls, value: list[SecretUse], info: ValidationInfo) -> list[SecretUse]:
        if (said := conflict(value, info.data.get("env", {}))) is not None:
            raise ValueError(said)
        return value

    @field_validator("source")
    @classmethod
    def _source_fits(cls, value: SourceSpec | None, info: ValidationInfo) -> SourceSpec | None:
        if "python" not in info.data:
            return value  # its own error says enough
        python: PythonSpec | None = info.data["python"]
        if python is None and value is not None:
            raise ValueError("a source is for Python runs; give python with an entrypoint too")
        return value

    @field_validator("image")
    @classmethod
    def _something_runs(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("python", ...) is None:
            raise ValueError("give an image, or python with an entrypoint")
        return value

    @field_validator("command", "args")
    @classmethod
    def _python_is_the_command(cls, value: list[str] | None, info: ValidationInfo) -> list[str] | None:
        if value is not None and info.data.get("python") is not None:
            raise ValueError("python.entrypoint says what runs; leave this out")
        return value

    @model_validator(mode="after")
    def _mounts_are_distinct(self) -> Self:
        seen: set[str] = set()
        for mount in self.volume_mounts:
            if mount.mount_path in seen:
                raise ValueError(
                    f"volumeMounts has two volumes at {mount.mount_path!r}; give each its own mountPath"
                )
            seen.add(mount.mount_path)
        return self


class Batch(Body):
    """Up to 1,000 runs that are accepted together or not at all."""

    runs: Annotated[list[RunSpec], Field(min_length=1, max_length=1000)]


class Reruns(Body):
    """Up to 1,000 runs, by id, that are run again as they were, together or not at all."""

    runs: Annotated[
        list[Annotated[str, StringConstraints(min_length=1, max_length=64)]],
        Field(min_length=1, max_length=1000),
    ]


class RunPatch(Body):
    """What may change on an accepted run: the deadline of a live one, and the labels."""

    timeout_seconds: TimeoutSeconds | None = None
    labels: Labels | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.timeout_seconds is None and self.labels is None:
            raise ValueError("nothing to change; give timeoutSeconds or labels")
        return self


class VolumeSpec(Body):
    """A named volume that runs share."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$", max_length=63)]
    labels: Labels = {}
