"""The API keys, all of them in memory too: to tell whether one is right costs no question to the database."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog
from runsd_sdk.key import Key, KeyAccess, KeySpec, NewKey

from runsd import acts, tokens
from runsd.clock import Clock, instant, instant_or_none
from runsd.errors import Conflicting, NotNow, Unknown
from runsd.faults import Step
from runsd.sqlite import Sqlite
from runsd.store.projects import require_project

log = structlog.get_logger()

_ALL = "select * from keys order by id"
_INSERT = """
insert into keys (id, project, name, access, digest, created_us, expires_us)
values (:id, :project, :name, :access, :digest, :now, :expires)
"""
_COUNT = "select count(*) from keys where project = :project"
_DELETE = "delete from keys where id = :id and project = :project returning id"
_USED = "update keys set last_used_us = :at where id = :id"
_NOTED_EVERY_S = 60.0
_NOBODY = bytes(32)
MOST_KEYS = 1000
"""Of one project; all keys of all projects are in memory."""


@dataclass(frozen=True, slots=True)
class Held:
    """A key as the daemon holds it."""

    id: str
    project: str
    name: str
    access: KeyAccess
    digest: bytes
    created_us: int
    expires_us: int | None
    last_used_us: int | None

    def expired(self, now_us: int) -> bool:
        """Say whether its time is over."""
        return self.expires_us is not None and self.expires_us <= now_us


class Keys:
    """The table of keys. Made by ``load``; ``serve`` writes down when they were last used."""

    def __init__(self, db: Sqlite, *, clock: Clock, new_id: Callable[[str], str]) -> None:
        self._db = db
        self._clock = clock
        self._new_id = new_id
        self._held: dict[str, Held] = {}
        self._used: set[str] = set()
        self._use = asyncio.Event()
        self._looking = asyncio.Lock()

    @classmethod
    async def load(cls, db: Sqlite, *, clock: Clock, new_id: Callable[[str], str]) -> "Keys":
        """Return the table as it is."""
        keys = cls(db, clock=clock, new_id=new_id)
        await keys.look()
        return keys

    async def create(self, project: str, spec: KeySpec) -> NewKey:
        """Make a key, and return it with its token, which is told this once.

        Raises Unknown, and Conflicting where the project has so many that it must be a mistake.
        """
        id = self._new_id("key")
        token = tokens.new(id)

        def job(db: sqlite3.Connection) -> None:
            require_project(db, project)
            ((present,),) = db.execute(_COUNT, {"project": project}).fetchall()
            if present >= MOST_KEYS:
                raise Conflicting(f"cannot make a key: project {project!r} has {present}; delete some")
            now = self._clock()
            lives_us = None if spec.expires_in_seconds is None else spec.expires_in_seconds * 1_000_000
            given = {
                "id": id,
                "project": project,
                "name": spec.name,
                "access": spec.access,
                "digest": tokens.digest(token),
                "now": now,
                "expires": None if lives_us is None else now + lives_us,
            }
            db.execute(_INSERT, given)
            acts.about(project, id)

        await self._db.write(job, Step.CHANGE)
        await self.look()
        return NewKey(**dict(self.get(project, id)), token=token)

    async def delete(self, project: str, id: str) -> None:
        """Let a key open nothing any more. Raises Unknown."""

        def job(db: sqlite3.Connection) -> bool:
            return bool(db.execute(_DELETE, {"id": id, "project": project}).fetchall())

        if not await self._db.write(job, Step.CHANGE):
            raise _unknown(id)
        await self.look()

    def get(self, project: str, id: str) -> Key:
        """Return a key of a project. Raises Unknown."""
        held = self._held.get(id)
        if held is None or held.project != project:
            raise _unknown(id)
        return _shown(held)

    def all(self, project: str) -> Sequence[Key]:
        """Return the keys of a project, the oldest first."""
        return [_shown(held) for held in self._held.values() if held.project == project]

    def match(self, token: str) -> Held | None:
        """Return the key that a token is, expired or not, in a time that does not tell how wrong it is."""
        held = self._held.get(tokens.key_id(token) or "")
        right = tokens.matches(token, _NOBODY if held is None else held.digest)
        return held if right else None

    def held(self, id: str) -> Held | None:
        """Return a key by its id, expired or not."""
        return self._held.get(id)

    def note_use(self, key: Held) -> None:
        """Remember that a key was used just now."""
        present = self._held.get(key.id)
        if present is not None:
            self._held[key.id] = replace(present, last_used_us=self._clock())
            self._used.add(key.id)
            self._use.set()

    def usable(self) -> bool:
        """Say whether any key opens anything now."""
        now = self._clock()
        return any(not held.expired(now) for held in self._held.values())

    async def serve(self) -> None:
        """Write down when keys were last used, for as long as the daemon lives: once a minute at the most."""
        while True:
            await self._use.wait()
            await self.flush()
            await asyncio.sleep(_NOTED_EVERY_S)

    async def flush(self) -> None:
        """Write down when keys were last used, so far; what the disk refuses is kept for the next time."""
        self._use.clear()
        used, self._used = self._used, set()
        uses = [{"id": id, "at": held.last_used_us} for id in sorted(used) if (held := self._held.get(id))]
        try:
            if uses:
                await self._db.write(lambda db: db.executemany(_USED, uses).rowcount, Step.CHANGE)
        except (NotNow, sqlite3.Error) as failure:
            self._used |= used
            self._use.set()
            log.warning("keys.uses_not_stored", error=str(failure))

    async def look(self) -> None:
        """See again which keys there are: some go with their project."""
        async with self._looking:  # what was seen before a change is not to come after it
            rows = await self._db.all(_ALL)
            self._held = {row["id"]: self._seen(Held(**dict(row))) for row in rows}

    def _seen(self, held: Held) -> Held:
        """Return a key as stored, with a use that is not yet written down."""
        before = self._held.get(held.id)
        return held if before is None else replace(held, last_used_us=before.last_used_us)


def _shown(held: Held) -> Key:
    return Key(
        id=held.id,
        project=held.project,
        name=held.name,
        access=held.access,
        created_at=instant(held.created_us),
        expires_at=instant_or_none(held.expires_us),
        last_used_at=instant_or_none(held.last_used_us),
    )


def _unknown(id: str) -> Unknown:
    return Unknown(f"there is no key {id[:64]!r}; list them with GET /v1/keys")
