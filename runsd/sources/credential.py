"""What opens a private repository: the value of a secret, put to an address without showing in it.

An address with a credential has a mirror of its own, which belongs to that secret of that project: whoever
has another, or none, finds nothing in it. A new value of the same secret goes on with the same mirror.
"""

import hashlib
import ipaddress
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from runsd.errors import SourceFailed
from runsd.sources.address import Address

# Any name will do beside a token, but for GitHub's own installations, which ask for this one.
_TOKEN_USER = "x-access-token"  # noqa: S105 - a name
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----")


@dataclass(frozen=True, slots=True)
class Credential:
    """The value that a project's secret has; ``version`` stands for this very one."""

    project: str
    name: str
    version: int
    value: str = field(repr=False)


def check_takes_one(address: Address) -> None:
    """Raise SourceFailed for an address at which no secret may be used."""
    if address.password:
        raise SourceFailed("the address has a password, and a secret is named too; leave one of them out")
    if address.protocol in ("https", "ssh") or (address.protocol == "http" and _is_here(address)):
        return
    said = f"a secret is for https and ssh; it would be useless or seen by others over {address.protocol}"
    raise SourceFailed(f"cannot use a secret for {address.shown}: {said}")


def opened(address: Address, credential: Credential | None) -> Address:
    """Return the address as git is to use it with a credential. Raises SourceFailed for an unfit one."""
    if credential is None:
        return address
    check_takes_one(address)
    owned = f"{address.name} {credential.project} {credential.name}"
    mine = replace(address, name=hashlib.sha256(owned.encode()).hexdigest(), version=credential.version)
    if address.protocol == "ssh":
        if not _PRIVATE_KEY.search(credential.value):
            raise _unfit(address, credential, "it is no private key, as ssh needs one")
        return replace(mine, key=f"{credential.value.strip()}\n")
    username, password = _login(address, credential)
    if _CONTROL.search(credential.value.strip()) or not (username and password):
        raise _unfit(address, credential, "it is neither a token nor user:token")
    return replace(mine, username=username, password=password)


@contextmanager
def key_file(address: Address | None) -> Iterator[str]:
    """Lend the private key of an address as a file, in memory alone and for this user; '' for none."""
    if address is None or not address.key:
        yield ""
        return
    descriptor = os.memfd_create("runsd-key")
    try:
        os.fchmod(descriptor, 0o600)  # ssh takes no other
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(address.key.encode())
        # ssh closes what it inherits, so it is opened by way of this process: it is gone with it.
        yield f"/proc/{os.getpid()}/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _login(address: Address, credential: Credential) -> tuple[str, str]:
    value = credential.value.strip()
    if address.username:
        return address.username, value.removeprefix(f"{address.username}:")
    user, colon, token = value.partition(":")
    return (user, token) if colon else (_TOKEN_USER, value)


def _is_here(address: Address) -> bool:
    host = urlsplit(address.url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _unfit(address: Address, credential: Credential, why: str) -> SourceFailed:
    said = f"cannot use the secret {credential.name} for {address.shown}: {why}"
    return SourceFailed(f"{said}; set it anew with runs secret set {credential.name}")
