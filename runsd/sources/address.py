"""Where a repository is, and what of it: read from untrusted text, without its secrets, never an option."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from runsd.errors import SourceFailed

_LONGEST = 2048
_FORMS = "https://host/path, ssh://git@host/path, git@host:path, or the path of a repository on this host"
_UNSAFE = re.compile(r"[\x00-\x20\x7f]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCP = re.compile(r"(?P<site>[A-Za-z0-9_][\w.-]*@[A-Za-z0-9][A-Za-z0-9.-]*):(?P<path>[^:/-][^:]*|/[^/].*)")
_SITE = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9._-]*)(:[0-9]{1,5})?")
_USER = re.compile(r"[A-Za-z0-9_][\w.-]*")
# What git-check-ref-format(1) forbids, and what would be taken for an option.
_REF = re.compile(r"(?!-)(?!.*(?:\.\.|@\{|//|/\.|\.lock(?:/|$)))[^\x00-\x20\x7f~^:?*\[\\]{1,255}(?<![./])")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_ABBREVIATION = re.compile(r"[0-9a-f]{7,39}")


@dataclass(frozen=True, slots=True)
class Address:
    """A repository. ``url`` is what git is given, ``shown`` what people are; neither holds a secret.

    ``name`` stands for the address as it was given, credentials included: whoever has others, or none, finds
    nothing in the mirror that these have filled. ``version`` tells the values of one secret apart, see
    sources/credential.py; ``key`` is a private one for ssh.
    """

    url: str
    shown: str
    protocol: str
    name: str
    site: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    version: int = 0


def parse(text: str, local: Sequence[Path] = ()) -> Address:
    """Read an address. Raises SourceFailed, also for a path that is under none of the ``local`` ones."""
    if not text or len(text) > _LONGEST or _UNSAFE.search(text):
        raise _unusable(f"write {_FORMS}")
    name = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
    if text.startswith(("/", "file://")):
        return _on_this_host(text, name, local)
    if _SCP.fullmatch(text):
        return Address(text, text, "ssh", name)
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as failure:
        raise _unusable(f"write {_FORMS}") from failure
    match parts.scheme:
        case "https" | "http":
            return _web(parts, name)
        case "ssh" | "git":
            return _other(parts, name)
    raise _unusable(f"it is neither https, http, ssh nor git; write {_FORMS}")


def check_ref(ref: str) -> str:
    """Return the name of a branch, tag or commit as git takes it. Raises SourceFailed."""
    if not _REF.fullmatch(ref) or ref == "@":
        raise SourceFailed(
            f"cannot use the ref {ref[:100]!r}: write the name of a branch or tag, or a commit"
        )
    return ref.lower() if _COMMIT.fullmatch(ref.lower()) else ref


def is_commit(ref: str) -> bool:
    """Say whether this is the full id of a commit."""
    return _COMMIT.fullmatch(ref) is not None


def is_abbreviation(ref: str) -> bool:
    """Say whether this may be the beginning of the id of a commit."""
    return _ABBREVIATION.fullmatch(ref.lower()) is not None


def _web(parts: SplitResult, name: str) -> Address:
    userinfo, _, site = parts.netloc.rpartition("@")
    username, _, password = (unquote(part) for part in userinfo.partition(":"))
    if not _SITE.fullmatch(site) or _CONTROL.search(username + password):
        raise _unusable(f"write {_FORMS}")
    url = parts._replace(netloc=site, fragment="").geturl()
    plain = parts._replace(netloc=site, fragment="", query="").geturl()
    return Address(
        url, f"{plain}?…" if parts.query else plain, parts.scheme, name,
        site=f"{parts.scheme}://{site}", username=username, password=password,
    )  # fmt: skip


def _other(parts: SplitResult, name: str) -> Address:
    user, _, site = parts.netloc.rpartition("@")
    if not _SITE.fullmatch(site) or (user and not _USER.fullmatch(user)):
        raise _unusable("its host or user cannot be; ssh takes no password in an address")
    url = parts._replace(fragment="", query="").geturl()
    return Address(url, url, parts.scheme, name)


def _on_this_host(text: str, name: str, local: Sequence[Path]) -> Address:
    path = unquote(urlsplit(text).path) if text.startswith("file://") else text
    if not text.startswith(("/", "file:///")) or _UNSAFE.search(path):
        raise _unusable("write file:///path, the path without spaces")
    real = Path(path).resolve()
    if not any(real.is_relative_to(place.resolve()) for place in local):
        raise SourceFailed(
            f"cannot use the repository {text}: it is in none of the directories of this host that runs may "
            "have sources from; its operator can name them in the setting sources.local"
        )
    return Address(str(real), text, "file", name)


def _unusable(why: str) -> SourceFailed:
    """Return the error for an address; it is not repeated, for nobody knows which part of it is secret."""
    return SourceFailed(f"cannot use the address of the git repository: {why}")
