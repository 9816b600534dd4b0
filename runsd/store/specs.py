"""Specs of tasks as they are stored: what was accepted once may be refused by a later, stricter runsd.

Such a one is its own task's trouble: it starts nothing, says why, and is mended by an edit of the task.
"""

import json
from typing import Any

from pydantic import ValidationError
from runsd_sdk.spec import RunSpec

from runsd.errors import Refused

_NOTHING = RunSpec(image="unreadable")


def stored_spec(text: str) -> RunSpec | Refused:
    """Return a stored spec, or why it is one no more."""
    try:
        return RunSpec.model_validate_json(text)
    except ValidationError as failure:
        errors = [(tuple(error["loc"]), _said(error["msg"])) for error in failure.errors(include_url=False)]
        where = ".".join(str(part) for part in errors[0][0]) or "its spec"
        said = f"{where} is taken no more as it was saved: {errors[0][1]}; change it in the task"
        return Refused(f"cannot start this task: {said}", errors=errors)


def shown_spec(text: str) -> tuple[RunSpec, str | None]:
    """Return a stored spec, or what is left of it without the fields that are wrong, and what is wrong."""
    spec = stored_spec(text)
    if isinstance(spec, RunSpec):
        return spec, None
    return _without({str(loc[0]) for loc, _ in spec.errors if loc}, said_in(text)), str(spec)


def said_in(text: str) -> dict[str, Any]:
    """Return what a stored spec says, right or wrong."""
    try:
        said = json.loads(text)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _without(wrong: set[str], said: dict[str, Any]) -> RunSpec:
    left = {name: value for name, value in said.items() if name not in wrong}
    try:
        return RunSpec.model_validate_json(json.dumps(left))
    except ValidationError:
        return _NOTHING


def _said(message: str) -> str:
    return message.removeprefix("Value error, ")
