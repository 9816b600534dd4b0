"""Secrets over HTTP: names go both ways, values only in."""

from http import HTTPStatus

from pydantic import TypeAdapter, ValidationError
from runsd_sdk.host import SecretList
from runsd_sdk.secret import SecretName, SecretValue

from runsd.api.call import Call, Reply
from runsd.errors import Refused

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


def _name(text: str) -> str:
    try:
        return _NAME.validate_python(text)
    except ValidationError as failure:
        said = failure.errors()[0]["msg"].removeprefix("Value error, ")
        raise Refused(f"cannot set this secret: {said}", errors=[(("name",), said)]) from None
