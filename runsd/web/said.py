"""What a spec says: its fields on the wire, without those that would be so anyway. Pure."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from runsd_sdk.spec import Retries, RunSpec

Json = dict[str, Any]

_DEFAULTS: Final = {**RunSpec(image="any").model_dump(mode="json", by_alias=True), "image": None}
_RETRIES: Final = Retries().model_dump(mode="json", by_alias=True)
_OF_THE_HOST: Final = ("resources", "timeoutSeconds")
"""Fields whose defaults are a host's own: elsewhere the same would not be understood."""


def said(spec: RunSpec) -> Json:
    """Return the fields of a spec, on the wire, without those that would be so anyway."""
    found = {
        name: value
        for name, value in spec.wire().items()
        if name in _OF_THE_HOST or name == "source" or value != _DEFAULTS[name]
    }
    for name, shorter in _SHORTER.items():
        if name in found:
            found[name] = shorter(found[name])
    if not found.get("resources", True):
        del found["resources"]
    if spec.python is None:
        found.pop("source", None)
    elif spec.image == spec.model_copy(update={"image": None}).reference:
        found.pop("image", None)
    return found


def _short_resources(value: Json) -> Json:
    requests = {
        name: asked for name, asked in value.get("requests", {}).items() if (name, str(asked)) != ("gpu", "0")
    }
    return {"requests": requests} if requests else {}


def _short_retries(value: Json) -> Json:
    return {name: each for name, each in value.items() if name == "limit" or each != _RETRIES[name]}


def _short_secrets(value: list[Json]) -> list[Json]:
    return [dict(_short_secret(use)) for use in value]


def _short_secret(use: Json) -> Iterator[tuple[str, Any]]:
    for name, each in use.items():
        if each is not None and not (name == "env" and each == use["name"] and use.get("path") is None):
            yield name, each


def _short_mounts(value: list[Json]) -> list[Json]:
    return [{name: each for name, each in mount.items() if each is not False} for mount in value]


def _short_python(value: Json) -> Json:
    entry = {name: each for name, each in value["entrypoint"].items() if each not in (None, [], {})}
    rest = {name: each for name, each in value.items() if name != "entrypoint" and each not in (None, [])}
    return {**rest, "entrypoint": entry}


def _short_source(value: Json | None) -> Json | None:
    if value is None:
        return None
    found = {name: each for name, each in value.items() if each is not None}
    if "git" in found:
        found["git"] = {name: each for name, each in found["git"].items() if each is not None}
    return found


_SHORTER: Final[Mapping[str, Callable[[Any], Any]]] = {
    "resources": _short_resources,
    "retries": lambda value: value and _short_retries(value),
    "secrets": _short_secrets,
    "volumeMounts": _short_mounts,
    "python": _short_python,
    "source": _short_source,
}
