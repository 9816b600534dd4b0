"""Secrets over HTTP: names go both ways, values only in."""

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import TypeAdapter, ValidationError
from runsd_sdk.host import SecretList
from runsd_sdk.secret import SecretName, SecretValue
from runsd_sdk.spec import RunSpec

from runsd.api.call import Call, Reply
from runsd.errors import Location, Refused

_NAME: TypeAdapter[str] = TypeAdapter(SecretName)


async def page(call: Call) -> Reply:
    """List the secrets, without their values."""
    return Reply(SecretList(data=list(await call.services.secrets.list(call.project))))


async def set(call: Call) -> Reply:
    """Make a secret, or give it another value for runs that are submitted from now on."""
    given: SecretValue = call.body
    name = _name(call.request.match_info["name"])
    call.services.disk.check("set this secret")
    return Reply(await call.services.secrets.set(call.project, name, given.value.get_secret_value()))


async def delete(call: Call) -> Reply:
    """Delete a secret; runs that were submitted with it keep what they were given."""
    await call.services.secrets.delete(call.project, call.request.match_info["name"])
    return Reply(status=HTTPStatus.NO_CONTENT)


async def check(call: Call, specs: Sequence[RunSpec], *, batch: bool = False) -> None:
    """Raise SecretsLocked for runs whose secrets cannot be opened, Refused for files that cannot be made."""
    if (trouble := call.services.secret_files.trouble) is not None:
        errors = [
            ((*(("runs", n) if batch else ()), *at), f"{said}: {trouble}")
            for n, spec in enumerate(specs)
            for at, said in _needing_files(spec)
        ]
        if errors:
            raise Refused(f"cannot accept this run: {errors[0][1]}", errors=errors)
    names: list[Any] = [name for spec in specs for name in spec.secret_names]
    if names:
        await call.services.secrets.check(call.project, names)


def _needing_files(spec: RunSpec) -> Iterator[tuple[Location, str]]:
    for n, use in enumerate(spec.secrets):
        if use.path is not None:
            yield ("secrets", n, "path"), "this host can give no secret as a file"
        elif spec.python is not None:
            yield ("secrets", n, "env"), "this host can give Python runs no secrets, which go by a file"


def _name(text: str) -> str:
    try:
        return _NAME.validate_python(text)
    except ValidationError as failure:
        said = failure.errors()[0]["msg"].removeprefix("Value error, ")
        raise Refused(f"cannot set this secret: {said}", errors=[(("name",), said)]) from None
