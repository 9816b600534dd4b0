"""The daemon's settings: a TOML file, overridden by ``RUNSD_<SECTION>__<KEY>``, overridden by flags.

A list in a variable is JSON, or has commas between its parts.
"""

import ipaddress
import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, get_origin

import psutil
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from runsd_sdk import quantity
from runsd_sdk.spec import Cpu, Memory

from runsd.errors import Refused

_PREFIX = "RUNSD_"
# A glob may begin with a bracket too: [ab]*/image.
_JSON_LIST = re.compile(r'\s*\[\s*("|\]\s*$)')
_ADDRESS = r"^(\[[0-9A-Fa-f:.]+\]|[^\[\]:/@\s]+):[0-9]{1,5}$"
_HIGHEST_PORT = 65535


def _is_size(value: str | int) -> str | int:
    quantity.memory_bytes(value, minimum=0)
    return value


Size = Annotated[str | int, AfterValidator(_is_size)]
"""A quantity such as ``"10Gi"``, or a number of bytes."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EngineSettings(_Section):
    """Which Docker Engine, and how hard it may be driven."""

    host: str = Field("unix:///var/run/docker.sock", description="the Engine's address")
    max_concurrent_starts: Annotated[int, Field(ge=1)] = Field(
        min(32, 8 * (os.cpu_count() or 1)),
        description="the most containers being started at once; how many up to this is learned",
    )
    pull_inactivity_seconds: Annotated[float, Field(gt=0)] = Field(
        300, description="a pull without progress for this long fails"
    )
    unresponsive_seconds: Annotated[float, Field(gt=0)] = Field(
        30, description="an Engine that owes an answer for longer is stuck: nothing more is started"
    )


class CapacitySettings(_Section):
    """What the host gives to runs."""

    cpu: Cpu | None = Field(None, description="cores for runs; the host's when not set")
    memory: Memory | None = Field(
        None, description="memory for runs; the host's less the reserve when not set"
    )
    reserve_memory: Annotated[str, Field(min_length=1)] = Field(
        "512Mi", description="kept for the host itself"
    )
    overcommit: Annotated[float, Field(ge=1, le=100)] = Field(
        1.0, description="cores promised per core present; memory is never promised twice"
    )

    @field_validator("reserve_memory")
    @classmethod
    def _is_memory(cls, value: str) -> str:
        quantity.memory_bytes(value, minimum=0)
        return value


class DefaultSettings(_Section):
    """What a run gets when it does not say."""

    cpu: Cpu = Field("1", description="cores")
    memory: Memory = Field("1Gi", description="memory")
    timeout_seconds: Annotated[int, Field(ge=1, le=86_400)] = Field(3600, description="deadline after start")
    max_timeout_seconds: Annotated[int, Field(ge=1, le=86_400)] = Field(
        86_400, description="the longest deadline that may be asked for"
    )


class ImageSettings(_Section):
    """Which images may run."""

    allow: list[str] = Field(["*"], description="globs of image references that may run")
    python: str = Field(
        "python:{version}-slim", description="the image of a Python version, where a run names none"
    )

    @field_validator("python")
    @classmethod
    def _has_a_place_for_the_version(cls, value: str) -> str:
        if "{version}" not in value:
            raise ValueError("write {version} where the version goes, as in python:{version}-slim")
        return value


_USER = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,63})?"


class ContainerSettings(_Section):
    """What the containers of runs are like on this host, whatever a run says."""

    user: Annotated[str, Field(pattern=rf"^{_USER}$")] | None = Field(
        None, description="the user of runs that name none, as in 1000:1000; the image's own when not set"
    )
    allow_root: bool = Field(
        default=True, description="whether runs may be root; if not, their users are numbers other than 0"
    )
    read_only: bool = Field(
        default=False, description="nothing can be written but volumes, and /tmp in the run's memory"
    )
    runtime: str | None = Field(
        None, description="the Engine's runtime of runs, such as runsc or kata; its default when not set"
    )
    runtimes: list[str] = Field(
        [], description="further runtimes of the Engine, any of which a run may name as its own"
    )
    max_processes: Annotated[int, Field(ge=16)] = Field(
        4096, description="the most processes and threads of one run"
    )


class LogSettings(_Section):
    """How much output is kept."""

    max_bytes_per_attempt: Annotated[int, Field(ge=1024**2)] = Field(
        256 * 1024**2, description="of a longer output head and tail are kept"
    )


class RetentionSettings(_Section):
    """How long what is over is kept, and how much of the disk stays free. 0 means for ever, or no limit."""

    runs_days: Annotated[float, Field(ge=0)] = Field(365, description="ended runs are forgotten after this")
    logs_days: Annotated[float, Field(ge=0)] = Field(90, description="output of ended runs is kept this long")
    events_days: Annotated[float, Field(ge=0)] = Field(
        90, description="events of ended runs are kept this long"
    )
    deliveries_days: Annotated[float, Field(ge=0)] = Field(
        30, description="what webhooks were told is kept this long"
    )
    audit_days: Annotated[float, Field(ge=0)] = Field(
        365, description="entries of the audit are kept this long"
    )
    max_runs: Annotated[int, Field(ge=0)] = Field(
        1_000_000, description="of more ended runs the oldest are forgotten"
    )
    max_log_bytes: Size = Field("10Gi", description="of more output that of the oldest ended runs is deleted")
    max_events: Annotated[int, Field(ge=0)] = Field(
        5_000_000, description="of more events the oldest are deleted"
    )
    max_deliveries: Annotated[int, Field(ge=0)] = Field(
        100_000, description="of more deliveries to webhooks the oldest are forgotten, sent or not"
    )
    min_free_bytes: Size = Field(
        "1Gi", description="with less free disk no run is accepted or started; those that run go on"
    )

    @property
    def log_bytes(self) -> int:
        """The most output to keep, in bytes; 0 for no limit."""
        return quantity.memory_bytes(self.max_log_bytes, minimum=0)

    @property
    def free_bytes(self) -> int:
        """The least free disk, in bytes."""
        return quantity.memory_bytes(self.min_free_bytes, minimum=0)


class BillingSettings(_Section):
    """The price list."""

    price_per_vcpu_second_usd: Annotated[Decimal, Field(ge=0, decimal_places=12)] = Field(
        Decimal("0.00004"), description="list price in US dollars"
    )
    free_vcpu_seconds: Annotated[int, Field(ge=0)] = Field(
        100_000, description="free per project and calendar month (UTC)"
    )


class NetworkSettings(_Section):
    """Which Docker networks runs may join besides bridge and none, and whether they meet each other there."""

    isolate: bool = Field(
        default=False,
        description="runs on bridge get a network of runsd's own, where they do not reach each other",
    )
    allow: list[str] = Field([], description="names of further Docker networks")


class SandboxSettings(_Section):
    """Network namespaces that are made ahead of the runs that will use them."""

    pool: Annotated[int, Field(ge=0)] = Field(
        min(32, 4 * (os.cpu_count() or 1)), description="the most that wait for a run; 0 makes none"
    )


class SourceSettings(_Section):
    """What Python runs are made of: uploads, and mirrors of git repositories."""

    max_bytes: Size = Field("256Mi", description="the largest source that may be uploaded")
    keep_days: Annotated[float, Field(ge=0)] = Field(
        30, description="uploads and mirrors that no run uses for so long are removed; 0 keeps them for ever"
    )
    max_repository_bytes: Size = Field(
        "2Gi", description="the most to fetch of a repository at once, and to export of it; 0 for no limit"
    )
    local: list[str] = Field([], description="directories of this host whose git repositories runs may use")
    git_timeout_seconds: Annotated[float, Field(gt=0)] = Field(
        120, description="a git that fetches and says nothing for this long is ended"
    )
    git_config: str | None = Field(
        None,
        description="a file of git's settings for fetching, such as credential helpers; no other is read",
    )

    @field_validator("local")
    @classmethod
    def _are_absolute(cls, value: list[str]) -> list[str]:
        for place in value:
            if not place.startswith("/"):
                raise ValueError(f"{place!r} is no absolute path; write it from the root")
        return value

    @property
    def upload_bytes(self) -> int:
        """The largest upload, in bytes."""
        return quantity.memory_bytes(self.max_bytes, minimum=1)

    @property
    def repository_bytes(self) -> int:
        """The most of a repository, in bytes; 0 for no limit."""
        return quantity.memory_bytes(self.max_repository_bytes, minimum=0)


class EnvironmentSettings(_Section):
    """The Python packages of runs: where they come from, and how much of them is kept."""

    index_url: str | None = Field(
        None, description="the package index; PyPI, or the daemon's UV_DEFAULT_INDEX, when not set"
    )
    extra_index_urls: list[str] = Field([], description="further indexes, asked before that one")
    find_links: list[str] = Field([], description="folders or pages with wheels")
    no_index: bool = Field(default=False, description="ask no index: only find_links")
    cache_directory: Path | None = Field(
        None, description="where uv keeps what it has fetched; in the data directory when not set"
    )
    cache_max_bytes: Size = Field(
        "10Gi", description="of a larger cache everything is dropped; 0 for no limit"
    )
    resolve_timeout_seconds: Annotated[float, Field(gt=0)] = Field(
        300, description="requirements that take longer to resolve fail"
    )
    resolve_again_seconds: Annotated[float, Field(ge=0)] = Field(
        3600, description="the same requirements get the same versions for this long"
    )
    build_timeout_seconds: Annotated[float, Field(gt=0)] = Field(
        1800, description="packages that take longer to fetch and install fail"
    )
    build_cpu: Cpu = Field("1", description="cores for the build of a package that has no wheel")
    build_memory: Size = Field("2Gi", description="its memory")
    keep_days: Annotated[float, Field(ge=0)] = Field(
        30, description="images that nobody has used for longer are removed; 0 keeps them"
    )
    max_bytes: Size = Field(
        "20Gi",
        description="of more images those that nobody has used for longest are removed; 0 for no limit",
    )

    @property
    def cache_bytes(self) -> int:
        """The largest cache, in bytes; 0 for no limit."""
        return quantity.memory_bytes(self.cache_max_bytes, minimum=0)

    @property
    def build_cpu_milli(self) -> int:
        """Thousandths of a core for a build."""
        return quantity.cpu_milli(self.build_cpu)

    @property
    def build_memory_bytes(self) -> int:
        """The memory of a build, in bytes."""
        return quantity.memory_bytes(self.build_memory)

    @property
    def image_bytes(self) -> int:
        """The most that images may hold above their bases, in bytes; 0 for no limit."""
        return quantity.memory_bytes(self.max_bytes, minimum=0)


class TelemetrySettings(_Section):
    """What runs tell by OpenTelemetry."""

    receive: bool = Field(
        default=True, description="listen for it, and lead programs there by OTEL_* variables"
    )
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        0, description="the TCP port at the Engine's bridge; 0 for any that is free, kept from then on"
    )


class SecretSettings(_Section):
    """Secrets: the key that they are encrypted with, and where runs find those that are files."""

    key_file: Path | None = Field(
        None,
        description="the file with their keys, made when it is needed; in the data directory when not set",
    )
    directory: Path | None = Field(
        None,
        description="where secrets that are files are for live runs, on a tmpfs; found out when not set",
    )


class WebhookSettings(_Section):
    """Where outgoing webhooks may be sent."""

    allow: list[str] = Field(
        [],
        description="addresses and networks that may be sent to although they are private, as in 10.1.0.0/16",
    )

    @field_validator("allow")
    @classmethod
    def _are_networks(cls, value: list[str]) -> list[str]:
        for text in value:
            try:
                ipaddress.ip_network(text)
            except ValueError as error:
                raise ValueError(f"{error}; write an address or a network, as in 10.1.0.0/16") from error
        return value

    @property
    def networks(self) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
        """What is allowed, as networks."""
        return [ipaddress.ip_network(text) for text in self.allow]


class TcpSettings(_Section):
    """Clients on other hosts, who need keys."""

    listen: Annotated[str, Field(pattern=_ADDRESS)] | None = Field(
        None, description="host:port to listen at while there are keys, such as 127.0.0.1:8686"
    )
    certificate: Path | None = Field(None, description="a certificate and its chain, PEM; encrypts")
    private_key: Path | None = Field(
        None, validate_default=True, description="the certificate's private key, PEM"
    )
    hosts: list[str] = Field(
        [], description="names of this host that clients use, besides localhost and its addresses"
    )

    @field_validator("listen")
    @classmethod
    def _has_a_port(cls, value: str | None) -> str | None:
        if value is not None and int(value.rpartition(":")[2]) > _HIGHEST_PORT:
            raise ValueError(f"{value!r} has no port; write 0 to {_HIGHEST_PORT} behind the colon")
        return value

    @field_validator("private_key")
    @classmethod
    def _belong_together(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if (value is None) is not (info.data.get("certificate") is None):
            raise ValueError("certificate and private_key are given together")
        return value


class Settings(_Section):
    """All settings, section by section."""

    engine: EngineSettings = EngineSettings()
    capacity: CapacitySettings = CapacitySettings()
    defaults: DefaultSettings = DefaultSettings()
    images: ImageSettings = ImageSettings()
    containers: ContainerSettings = ContainerSettings()
    logs: LogSettings = LogSettings()
    retention: RetentionSettings = RetentionSettings()
    billing: BillingSettings = BillingSettings()
    network: NetworkSettings = NetworkSettings()
    sandbox: SandboxSettings = SandboxSettings()
    sources: SourceSettings = SourceSettings()
    environments: EnvironmentSettings = EnvironmentSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    secrets: SecretSettings = SecretSettings()
    webhooks: WebhookSettings = WebhookSettings()
    tcp: TcpSettings = TcpSettings()

    @property
    def host_cpu_milli(self) -> int:
        """Millicores that the host gives to runs, before overcommitment."""
        if self.capacity.cpu is not None:
            return quantity.cpu_milli(self.capacity.cpu)
        return 1000 * (psutil.cpu_count() or 1)

    @property
    def host_memory_bytes(self) -> int:
        """Bytes of memory that the host gives to runs."""
        if self.capacity.memory is not None:
            return quantity.memory_bytes(self.capacity.memory)
        reserve = quantity.memory_bytes(self.capacity.reserve_memory, minimum=0)
        return max(0, int(psutil.virtual_memory().total) - reserve)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting for a person: its full name, value, default and where the value came from."""

    name: str
    value: Any
    default: Any
    source: str
    description: str


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings in force, and where each came from."""

    settings: Settings
    sources: Mapping[str, str]

    def __iter__(self) -> Iterator[Setting]:
        """Walk every setting in the order of the file."""
        for section, model in self.settings:
            for key, field in type(model).model_fields.items():
                name = f"{section}.{key}"
                yield Setting(
                    name,
                    getattr(model, key),
                    field.default,
                    self.sources.get(name, "default"),
                    field.description or "",
                )


def load(
    path: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Configuration:
    """Read file, environment and flags (``{"engine.host": …}``), the later ones winning.

    Raises Refused, naming the key and where it stands, for an unknown key or a bad value.
    """
    values: dict[str, dict[str, Any]] = {}
    sources: dict[str, str] = {}
    for source, name, value in (
        *_from_file(path),
        *_from_environment(os.environ if environment is None else environment),
        *((f"flag for {n}", n, v) for n, v in (flags or {}).items() if v is not None),
    ):
        section, key = _known(name, source)
        values.setdefault(section, {})[key] = value
        sources[name] = source
    try:
        return Configuration(Settings.model_validate(values), sources)
    except ValidationError as failure:
        first = failure.errors()[0]
        name = ".".join(str(part) for part in first["loc"][:2])
        raise Refused(f"cannot use {name} from {sources.get(name, 'default')}: {first['msg']}") from failure


def _known(name: str, source: str) -> tuple[str, str]:
    section, _, key = name.partition(".")
    model = Settings.model_fields.get(section)
    keys = getattr(model.annotation, "model_fields", {}) if model else {}
    if key not in keys:
        known = ", ".join(keys) or ", ".join(Settings.model_fields)
        raise Refused(f"unknown setting {name!r} in {source}; known here: {known}")
    return section, key


def _from_file(path: Path | None) -> Iterator[tuple[str, str, Any]]:
    if path is None:
        return
    try:
        document = tomllib.loads(path.read_text())
    except OSError as failure:
        raise Refused(f"cannot read the configuration {path}: {failure.strerror}") from failure
    except tomllib.TOMLDecodeError as failure:
        raise Refused(f"cannot read the configuration {path}: {failure}") from failure
    for section, keys in document.items():
        if not isinstance(keys, dict):
            raise Refused(f"unknown setting {section!r} in {path}; settings stand in [sections]")
        for key, value in keys.items():
            yield str(path), f"{section}.{key}", value


def _from_environment(environment: Mapping[str, str]) -> Iterator[tuple[str, str, Any]]:
    for variable, text in sorted(environment.items()):
        if variable.startswith(_PREFIX) and "__" in variable:
            section, _, key = variable.removeprefix(_PREFIX).lower().partition("__")
            name = f"{section}.{key}"
            yield variable, name, _listed(text, name, variable) if _is_list(section, key) else text


def _is_list(section: str, key: str) -> bool:
    model = Settings.model_fields.get(section)
    field = getattr(model.annotation, "model_fields", {}).get(key) if model else None
    return field is not None and get_origin(field.annotation) is list


def _listed(text: str, name: str, variable: str) -> Any:
    """Read a list as JSON, or as what stands between commas."""
    if not _JSON_LIST.match(text):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return json.loads(text)
    except ValueError as failure:
        raise Refused(
            f"cannot use {name} from {variable}: it begins as a JSON list, and is none ({failure});"
            ' write ["a", "b"], or a,b'
        ) from failure
