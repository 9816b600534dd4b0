"""Sessions of browsers, all of them in memory too; and the links that open one, once and soon."""

import asyncio
import secrets
import sqlite3
import time
from dataclasses import dataclass
from typing import Final

from runsd import tokens
from runsd.access import Person
from runsd.clock import Clock
from runsd.faults import Step
from runsd.sqlite import Sqlite

LASTS_S: Final = 7 * 24 * 3600
"""A session; one that a key opened ends with the key if that is sooner."""
LINK_LASTS_S: Final = 120
_ALL = "select digest, key_id, uid, ends_us from sessions"
_INSERT = """
insert into sessions (digest, key_id, uid, created_us, ends_us) values (:digest, :key, :uid, :now, :ends)
"""
_DELETE = "delete from sessions where digest = :digest returning digest"
_FORGET = "delete from sessions where ends_us <= :now"
_END_OLDEST = """
delete from sessions where digest in (
    select digest from sessions where key_id is :key and uid is :uid
    order by created_us desc limit -1 offset :most
)
"""
_BYTES = 32
_MOST_OF_ONE = 100
_MOST_LINKS_OF_ONE = 20


@dataclass(frozen=True, slots=True)
class Session:
    """A session as the daemon holds it."""

    person: Person
    ends_us: int


class Sessions:
    """The table of sessions. Made by ``load``. Links to log in with are in memory alone."""

    def __init__(self, db: Sqlite, *, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._held: dict[bytes, Session] = {}
        self._links: dict[bytes, tuple[Person, float]] = {}
        self._looking = asyncio.Lock()

    @classmethod
    async def load(cls, db: Sqlite, *, clock: Clock) -> "Sessions":
        """Return the table as it is."""
        sessions = cls(db, clock=clock)
        await sessions._look()
        return sessions

    def link(self, person: Person) -> str:
        """Return a code that opens a session as that person, once, within LINK_LASTS_S.

        Of very many of one person the oldest opens nothing any more: nobody can use up those of others.
        """
        now = time.monotonic()
        self._links = {code: link for code, link in self._links.items() if link[1] > now}
        theirs = [code for code, link in self._links.items() if link[0] == person]
        for oldest in theirs[: 1 - _MOST_LINKS_OF_ONE]:
            del self._links[oldest]
        code = secrets.token_urlsafe(_BYTES)
        self._links[tokens.digest(code)] = (person, now + LINK_LASTS_S)
        return code

    def follow(self, code: str) -> Person | None:
        """Return whose link that is, and let it open nothing any more."""
        person, ends = self._links.pop(tokens.digest(code), (None, 0.0))
        return person if ends > time.monotonic() else None

    async def create(self, person: Person, *, until_us: int | None = None, within: str | None = None) -> str:
        """Begin a session, and return what its cookie holds; of very many of one person the oldest ends.

        With ``within`` the cookie counts only together with that secret, as ``bound`` says.
        """
        token = secrets.token_urlsafe(_BYTES)
        now = self._clock()
        ends = min(now + LASTS_S * 1_000_000, until_us or 2**62)

        def job(db: sqlite3.Connection) -> None:
            whose = {"key": person.key, "uid": person.uid}
            db.execute(_FORGET, {"now": now})
            db.execute(_END_OLDEST, {"most": _MOST_OF_ONE - 1, **whose})
            db.execute(
                _INSERT, {"digest": tokens.digest(bound(token, within)), "now": now, "ends": ends, **whose}
            )

        await self._db.write(job, Step.CHANGE)
        await self._look()
        return token

    async def delete(self, token: str) -> None:
        """End a session, if it is one."""
        given = {"digest": tokens.digest(token)}
        await self._db.write(lambda db: db.execute(_DELETE, given).fetchall(), Step.CHANGE)
        await self._look()

    def match(self, token: str) -> Session | None:
        """Return the session that a cookie is of; None for one that is over.

        The look-up is by a hash: how long it takes tells nothing of any token.
        """
        session = self._held.get(tokens.digest(token))
        return session if session is not None and session.ends_us > self._clock() else None

    async def _look(self) -> None:
        async with self._looking:
            rows = await self._db.all(_ALL)
            self._held = {
                row["digest"]: Session(Person(row["key_id"], row["uid"]), row["ends_us"]) for row in rows
            }


def bound(cookie: str, within: str | None) -> str:
    """Return the token of a session whose cookie is worth nothing without a secret that no browser has."""
    return cookie if within is None else f"{cookie}:{within}"


def name_of(token: str) -> str:
    """Return what a session can be called without telling what opens it."""
    return tokens.digest(token).hex()


def request_token(token: str) -> str:
    """Return what a page of a session has to send with a change, so that no other site's page can."""
    return tokens.digest(f"request:{token}").hex()
