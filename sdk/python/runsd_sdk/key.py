"""API keys as values: what a person may send about them, and what the daemon answers."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from runsd_sdk.spec import Name
from runsd_sdk.wire import Answer, Body, Instant

LONGEST_S = 10 * 366 * 86_400


class KeyAccess(StrEnum):
    """What a key is for: each is also for what those before it are."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


class KeySpec(Body):
    """A key of the project that the request is about; it lasts until it is deleted, or expires."""

    name: Name
    access: KeyAccess = KeyAccess.WRITE
    expires_in_seconds: Annotated[int, Field(ge=1, le=LONGEST_S)] | None = None


class Key(Answer):
    """A key, without what makes it one. ``last_used_at`` is exact to a minute after a crash."""

    id: str
    project: str
    name: str
    access: KeyAccess
    created_at: Instant
    expires_at: Instant | None
    last_used_at: Instant | None


class NewKey(Key):
    """A key that was just made, with its ``token``, ``rk_…``: nobody is told that again."""

    token: str


class Login(Answer):
    """A link with which a browser logs in, once and until ``expires_at``.

    ``address`` is where the daemon listens for browsers, as host:port, if it does; ``encrypted`` says by TLS.
    """

    path: str
    expires_at: Instant
    address: str | None
    encrypted: bool


class KeyList(Answer):
    """The keys of a project, the oldest first."""

    data: list[Key]
