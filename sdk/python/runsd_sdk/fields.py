"""Keyword arguments to wire: snake_case, camelCase or models in, one validated JSON object out."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, TypeVar, cast

from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from runsd_sdk.errors import InvalidSpec
from runsd_sdk.host import FieldError
from runsd_sdk.python import ENTRYPOINTS, PythonSpec, SourceSpec
from runsd_sdk.secret import SecretUse
from runsd_sdk.spec import Batch, Reruns, Resources, Retries, RunSpec, VolumeMount
from runsd_sdk.wire import Body

Json = dict[str, Any]
B = TypeVar("B", bound=Body)
# These hold a person's own keys, however deep: they are never renamed.
_FREE = frozenset({"env", "labels", "args", "kwargs"})


class CommonFields(TypedDict, total=False):
    """What may be said of every run, whether an image's command or a Python program is run."""

    image: str | None
    env: Mapping[str, str]
    secrets: Sequence[SecretUse | Mapping[str, Any] | str]
    resources: Resources | Mapping[str, Any]
    volume_mounts: Sequence[VolumeMount | Mapping[str, Any]]
    timeout_seconds: int
    stop_grace_seconds: float
    queue_ttl_seconds: int | None
    retries: Retries | Mapping[str, Any] | None
    name: str | None
    labels: Mapping[str, str]
    workdir: str | None
    user: str | None
    network: str
    runtime: str | None
    pull_policy: str
    priority: int
    shm_size: str | int


class SpecFields(CommonFields, total=False):
    """The fields of RunSpec as keyword arguments; a test keeps the two the same."""

    python: PythonSpec | Mapping[str, Any] | None
    source: SourceSpec | Mapping[str, Any] | None
    command: Sequence[str] | None
    args: Sequence[str] | None


class ProgramFields(CommonFields, total=False):
    """The fields of a Python run as keyword arguments: those of its entrypoint and environment, and the rest.

    One of ``file``, ``module`` and ``function`` says what runs; see ``python.py`` for each.
    """

    file: str
    module: str
    function: str
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    version: str
    dependencies: Sequence[str]
    requirements: str


class FunctionFields(CommonFields, total=False):
    """The fields of a function's runs as keyword arguments; ``python`` is the version, as in ``"3.12"``.

    ``cpu``, ``memory`` and ``gpu`` are short for ``resources.requests``.
    """

    python: str
    version: str
    dependencies: Sequence[str]
    requirements: str
    cpu: str | float
    memory: str | int
    gpu: str | int


def of_program(fields: ProgramFields) -> SpecFields:
    """Return the fields of the run that a Python program is, but its source."""
    said: Json = {**fields}
    entrypoint: Json = {key: said.pop(key) for key in (*ENTRYPOINTS, "args", "kwargs") if key in said}
    python: Json = {key: said.pop(key) for key in ("version", "dependencies", "requirements") if key in said}
    said["python"] = {**python, "entrypoint": entrypoint}
    return cast("SpecFields", said)


def of_function(fields: FunctionFields, **called: Any) -> Json:
    """Return the run of a function but its source, as JSON; ``called`` is what an entrypoint has."""
    said: Json = {**fields}
    for key in (*ENTRYPOINTS, "args", "kwargs", "command", "source"):
        if key in said:
            raise InvalidSpec([FieldError(loc=[key], msg="the function says what runs; leave this out")])
    if "python" in said:
        said["version"] = said.pop("python")
    asked = {key: said.pop(key) for key in ("cpu", "memory", "gpu") if key in said}
    run = plain(of_program(cast("ProgramFields", {**said, **called})))
    return merged(run, {"resources": {"requests": asked}}) if asked else run


def run_spec(fields: Mapping[str, object]) -> Json:
    """Return the body of a submission with only the fields that were said; raise InvalidSpec."""
    return validated(RunSpec, plain(fields)).wire()


def batch(specs: Sequence[Mapping[str, object]]) -> Json:
    """Return the body of a batch; an InvalidSpec names the run by its place."""
    return validated(Batch, {"runs": [plain(spec) for spec in specs]}).wire()


def reruns(run_ids: Sequence[str]) -> Json:
    """Return the body that names runs to run again."""
    return validated(Reruns, {"runs": list(run_ids)}).wire()


def overrides(fields: Mapping[str, object]) -> Json:
    """Return a merge patch (RFC 7396) over a RunSpec: what is None is removed. Raises InvalidSpec."""
    patch = plain(fields)
    validated(RunSpec, merged(_program(patch), _without_null(patch)))
    return patch


def _program(patch: Mapping[str, Any]) -> Json:
    """Return a run that a patch could be over, as far as the patch tells."""
    python = patch.get("python") or {}
    if not python and not patch.get("source"):
        return {"image": "any"}
    entrypoint = python.get("entrypoint") if isinstance(python, Mapping) else None
    named = isinstance(entrypoint, Mapping) and any(entrypoint.get(each) for each in ENTRYPOINTS)
    program: Json = {"python": {} if named else {"entrypoint": {"function": "any:any"}}}
    return program if patch.get("source") else {**program, "source": {"upload": f"src_{0:032}"}}


def spread(common: Mapping[str, object], over: Sequence[Mapping[str, object]]) -> list[Json]:
    """Lay each override over the common fields, as a merge patch."""
    base = plain(common)
    return [merged(base, plain(each)) for each in over]


def merged(base: Mapping[str, Any], patch: Mapping[str, Any]) -> Json:
    """Apply a merge patch (RFC 7396): objects merge, null removes, anything else replaces."""
    result = dict(base)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            below = result.get(key)
            result[key] = merged(below if isinstance(below, Mapping) else {}, value)
        else:
            result[key] = value
    return result


def plain(fields: Mapping[str, object]) -> Json:
    """Return JSON's own types under camelCase names."""
    return {to_camel(key): _plain(value, free=key in _FREE) for key, value in fields.items()}


def validated(kind: type[B], value: Json) -> B:
    """Validate as the daemon would, from JSON; raise InvalidSpec with the fields named."""
    text = as_json(value)
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise InvalidSpec.of(error) from error


def as_json(value: Json) -> str:
    """Return fields as JSON; raise InvalidSpec for what JSON has not."""
    try:
        return json.dumps(value)
    except (TypeError, ValueError) as error:
        raise InvalidSpec([FieldError(loc=[], msg=f"cannot be written as JSON: {error}")]) from error


def _plain(value: Any, *, free: bool = False) -> Any:
    if isinstance(value, Body):
        return value.wire()
    if isinstance(value, Mapping):
        if free:
            return dict(value)
        return {to_camel(key): _plain(below, free=key in _FREE) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return list(value) if free else [_plain(below) for below in value]
    return value


def _without_null(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_null(below) for key, below in value.items() if below is not None}
    return value
