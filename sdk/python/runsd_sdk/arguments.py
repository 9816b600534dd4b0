"""A call's arguments: whether they fit the function, and whether JSON can carry them."""

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any

from runsd_sdk.errors import InvalidArguments

_DEPTH = 100
_JSON = "give what JSON has: None, bool, int, float, str, list or dict"
# What people try most, by the module and name of its type or one of its bases.
_REMEDIES = {
    ("datetime", "date"): "give it as text: .isoformat()",
    ("datetime", "time"): "give it as text: .isoformat()",
    ("datetime", "timedelta"): "give it as a number: .total_seconds()",
    ("decimal", "Decimal"): "give it as text: str(…)",
    ("uuid", "UUID"): "give it as text: str(…)",
    ("builtins", "bytes"): "give it as text, or put it into the source or a volume",
    ("builtins", "set"): "give a list: sorted(…)",
    ("builtins", "frozenset"): "give a list: sorted(…)",
    ("numpy", "ndarray"): "give a list: .tolist(); put large data into a volume",
    ("numpy", "generic"): "give Python's own: .item()",
    ("pandas.core.frame", "DataFrame"): "put it into a volume, and give its path",
}


def check(
    name: str, signature: inspect.Signature, args: Sequence[object], kwargs: Mapping[str, object]
) -> None:
    """Raise InvalidArguments, with the parameter named, unless a run could be called with these."""
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise InvalidArguments(f"cannot run {name}: {error}; it takes {signature}") from None
    for parameter, value in bound.arguments.items():
        kind = signature.parameters[parameter].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            values = list(value.items())
        elif kind is inspect.Parameter.VAR_POSITIONAL:
            values = [(f"{parameter}[{number}]", each) for number, each in enumerate(value)]
        else:
            values = [(parameter, value)]
        for where, each in values:
            if (wrong := _wrong(each, where, 0)) is not None:
                raise InvalidArguments(f"cannot run {name}: argument {wrong}")


def _wrong(value: Any, where: str, depth: int) -> str | None:
    """Say what of a value JSON cannot carry, or would carry as something else."""
    if value is None or isinstance(value, bool | int | str):
        return None
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{where} is {value}, which JSON has not; give None or text"
    if depth > _DEPTH:
        return f"{where} is more than {_DEPTH} levels deep, or contains itself; make it flat"
    if isinstance(value, dict):
        return _wrong_in_dict(value, where, depth)
    if isinstance(value, list) or (isinstance(value, tuple) and not hasattr(value, "_fields")):
        inside = (_wrong(each, f"{where}[{number}]", depth + 1) for number, each in enumerate(value))
        return next(filter(None, inside), None)
    return f"{where} is of type {_name(type(value))}; {_remedy(type(value))}"


def _wrong_in_dict(value: dict[Any, Any], where: str, depth: int) -> str | None:
    for key, each in value.items():
        if not isinstance(key, str):
            return f"{where} has the key {key!r}; in JSON all keys are text"
        if (wrong := _wrong(each, f"{where}[{key!r}]", depth + 1)) is not None:
            return wrong
    return None


def _name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _remedy(kind: type) -> str:
    if hasattr(kind, "__dataclass_fields__"):
        return "give a dict: dataclasses.asdict(…)"
    if hasattr(kind, "model_dump"):
        return 'give a dict: .model_dump(mode="json")'
    if hasattr(kind, "_fields"):
        return "give a list or a dict: ._asdict()"
    if hasattr(kind, "__fspath__"):
        return "give it as text: str(…)"
    known = ((base.__module__, base.__qualname__) for base in kind.__mro__)
    return next((_REMEDIES[each] for each in known if each in _REMEDIES), _JSON)
