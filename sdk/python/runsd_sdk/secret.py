"""Secrets on the wire: how a run names them, and how a value is set. No answer ever holds a value."""

import posixpath
import re
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    SecretStr,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema

from runsd_sdk.wire import Body

PLACE = "/run/secrets"
"""Where a run finds secrets that are files."""

VALUE_BYTES = 64 * 1024

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_CONTROL = re.compile(r"[\0-\x1f\x7f]")


def _name(value: str) -> str:
    """Accept what the shell takes as a variable's name. What is wrong is not repeated: it may be a value."""
    if not re.fullmatch(_NAME, value, re.ASCII):
        raise ValueError(
            "a secret's name has letters, digits and '_', and begins with no digit, as in DB_URL"
        )
    return value


def _path(value: str) -> str:
    """Accept a file below /run/secrets, from the root or from there."""
    whole = posixpath.normpath(posixpath.join(PLACE, value))
    parts = whole.removeprefix(f"{PLACE}/").split("/")
    if _CONTROL.search(value) or ".." in value.split("/") or not whole.startswith(f"{PLACE}/"):
        raise ValueError(f"{value[:80]!r} is not a file below {PLACE}; write {PLACE}/name")
    if any(len(part.encode()) > 255 for part in parts):
        raise ValueError("a part of the path is longer than 255 bytes")
    return whole


def _value(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text:
        raise ValueError("an empty value hides nothing; give one, or delete the secret")
    if "\0" in text:
        raise ValueError("a NUL byte cannot be passed to a program; encode the value, as by base64")
    if len(text.encode()) > VALUE_BYTES:
        raise ValueError(f"a value has at most {VALUE_BYTES // 1024} KiB; put what is larger into a volume")
    return value


SecretName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=128),
    AfterValidator(_name),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 128, "pattern": f"^{_NAME}$"}),
]
SecretPath = Annotated[str, StringConstraints(min_length=1, max_length=1024), AfterValidator(_path)]


class SecretUse(Body):
    """A secret that a run gets: as the variable ``env``, as the file ``path`` below /run/secrets, or as both.

    Written as a name alone, or with neither, it is the variable of that name.
    """

    name: SecretName
    path: SecretPath | None = None
    env: Annotated[SecretName | None, Field(validate_default=True)] = None

    @model_validator(mode="before")
    @classmethod
    def _is_named(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @field_validator("env")
    @classmethod
    def _is_a_variable_unless_a_file(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("path") is None:
            return info.data.get("name")
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        described = handler(core)
        if handler.mode != "validation":
            return described
        name = {"type": "string", "minLength": 1, "maxLength": 128, "pattern": f"^{_NAME}$"}
        own = handler.resolve_ref_schema(described)
        whole = {"anyOf": [name, dict(own)], "title": cls.__name__}
        own.clear()
        own.update(whole)
        return described


class SecretValue(Body):
    """What a secret shall be from now on. It is told to nobody, not even in an error."""

    model_config = ConfigDict(hide_input_in_errors=True)

    value: Annotated[SecretStr, AfterValidator(_value), Field(json_schema_extra={"minLength": 1})]


def conflict(uses: list[SecretUse], env: Any) -> str | None:
    """Say what is wrong with secrets beside each other and a run's own variables; None for nothing."""
    variables: set[str] = set()
    paths: set[str] = set()
    for use in uses:
        if use.env is not None:
            if use.env in env:
                return f"{use.env} is given by env too; choose one, or another env for the secret"
            if use.env in variables:
                return f"two secrets are the variable {use.env}; give each its own env"
            variables.add(use.env)
        if use.path is not None:
            if use.path in paths:
                return f"two secrets are the file {use.path}; give each its own path"
            paths.add(use.path)
    for path in paths:
        if any(path.startswith(f"{other}/") for other in paths):
            return f"{path} lies in another secret's file; choose another path"
    return None
