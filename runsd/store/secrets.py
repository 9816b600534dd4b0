"""The secrets: names of a project for values that are encrypted at rest, and what each live run was given."""

import asyncio
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from runsd_sdk.host import Secret
from runsd_sdk.spec import RunSpec

from runsd.clock import Clock, instant
from runsd.errors import Conflicting, Location, Refused, Unknown
from runsd.faults import Step
from runsd.keyring import Keyring
from runsd.mask import Mask
from runsd.sqlite import Sqlite
from runsd.store.projects import require_project

_IS_EMPTY = "select max(id) is null from secret_values"
_ADD_VALUE = "insert into secret_values (value) values (:value) returning id"
_SET = """
insert into secrets (project, name, value_id, created_us, updated_us)
values (:project, :name, :value_id, :now, :now)
on conflict (project, name) do update set value_id = excluded.value_id, updated_us = excluded.updated_us
returning *
"""
MOST = 1000
"""How many secrets a project may have."""

_OTHERS = "select count(*) from secrets where project = :project and name <> :name"
_LIST = "select * from secrets where project = :project order by name"
_DELETE = "delete from secrets where project = :project and name = :name returning name"
_VALUES = """
select v.value from secrets s join secret_values v on v.id = s.value_id
where s.project = :project and s.name in (select value from json_each(:names))
"""
_OF_RUN = """
select r.name, v.id, v.value from run_secrets r join secret_values v on v.id = r.value_id
where r.run_id = :run_id
"""
_KNOWN = "select name, value_id from secrets where project = :project"
_GIVE = "insert into run_secrets (run_id, name, value_id) values (:run_id, :name, :value_id)"
_ALL = "select id, value from secret_values"
_RESEAL = "update secret_values set value = :value where id = :id"


@dataclass(frozen=True, slots=True)
class Given:
    """The value that a run was given. ``version`` stands for this very value, whatever is set later."""

    version: int
    value: str = field(repr=False)


class Secrets:
    """The table of secrets. What has to do with their values may raise SecretsLocked."""

    def __init__(self, db: Sqlite, keyring: Keyring, *, clock: Clock) -> None:
        self._db = db
        self._keyring = keyring
        self._clock = clock

    async def set(self, project: str, name: str, value: str) -> Secret:
        """Make a secret, or give it another value; runs that were submitted before keep the one they have.

        Raises Unknown for a project that is gone, and Conflicting where there are too many.
        """

        def job(db: sqlite3.Connection) -> Secret:
            require_project(db, project)
            (others,) = db.execute(_OTHERS, {"project": project, "name": name}).fetchone()
            if others >= MOST:
                said = f"cannot set this secret: the project has {others}, and may have no more; delete some"
                raise Conflicting(said, code="too_many_secrets")
            value_id = keep_value(db, self._keyring, value)
            given = {"project": project, "name": name, "value_id": value_id, "now": self._clock()}
            return _secret(db.execute(_SET, given).fetchone())

        return await self._db.write(job, Step.SET_SECRET)

    async def list(self, project: str) -> Sequence[Secret]:
        """Return a project's secrets by name."""
        return [_secret(row) for row in await self._db.all(_LIST, {"project": project})]

    async def delete(self, project: str, name: str) -> None:
        """Delete a secret; what live runs were given of it stays until they are over. Raises Unknown."""

        def job(db: sqlite3.Connection) -> bool:
            return bool(db.execute(_DELETE, {"project": project, "name": name}).fetchall())

        if not await self._db.write(job, Step.DELETE_SECRET):
            raise Unknown(f"there is no secret {name[:128]!r}; list them with GET /v1/secrets")

    async def check(self, project: str, names: Iterable[str]) -> None:
        """Raise SecretsLocked if the values of some of these cannot be opened; unknown names do not count."""
        rows = await self._db.all(_VALUES, {"project": project, "names": json.dumps(sorted(set(names)))})

        def open_all() -> None:
            for row in rows:
                self._keyring.open(row["value"])

        await asyncio.to_thread(open_all)

    async def value(self, project: str, name: str) -> str | None:
        """Return the present value of a secret, for the daemon's own use; None for one that is not there."""
        row = await self._db.one(_VALUES, {"project": project, "names": json.dumps([name])})
        return None if row is None else await asyncio.to_thread(self._keyring.open, row["value"])

    async def of_run(self, run_id: str) -> Mapping[str, Given]:
        """Return what a run was given, by name, until it is over."""
        rows = await self._db.all(_OF_RUN, {"run_id": run_id})
        if not rows:
            return {}

        def opened() -> dict[str, Given]:
            return {row["name"]: Given(row["id"], self._keyring.open(row["value"])) for row in rows}

        return await asyncio.to_thread(opened)

    async def mask(self, run_id: str) -> Mask | None:
        """Return what covers the values that a live run was given; None for one without any."""
        given = await self.of_run(run_id)
        return Mask(one.value for one in given.values()) if given else None


def keep_value(db: sqlite3.Connection, keyring: Keyring, value: str) -> int:
    """Encrypt and store a value within a transaction, and return its id. May raise SecretsLocked."""
    # The key is looked up within the transaction: whoever changes keys waits for it to be over.
    (empty,) = db.execute(_IS_EMPTY).fetchone()
    sealed = keyring.seal(value, may_make=bool(empty))
    (value_id,) = db.execute(_ADD_VALUE, {"value": sealed}).fetchone()
    return int(value_id)


def give_secrets(
    db: sqlite3.Connection, project: str, runs: Iterable[tuple[str, RunSpec]], *, one: bool
) -> None:
    """Note which values runs are given, within the transaction of their submission.

    Raises Refused, naming the field, for a secret that is not there.
    """
    wanting = [(n, run_id, spec) for n, (run_id, spec) in enumerate(runs) if spec.secret_names]
    if not wanting:
        return
    known = {row["name"]: row["value_id"] for row in db.execute(_KNOWN, {"project": project}).fetchall()}
    errors: list[tuple[Location, str]] = []
    for n, _, spec in wanting:
        for at, name in _named(spec):
            if name not in known:
                said = f"there is no secret {name!r}; set it with PUT /v1/secrets/{name}"
                errors.append(((*(() if one else ("runs", n)), *at), said))
    if errors:
        raise Refused(f"cannot accept this run: {errors[0][1]}", errors=errors)
    given = [
        {"run_id": run_id, "name": name, "value_id": known[name]}
        for _, run_id, spec in wanting
        for name in spec.secret_names
    ]
    db.executemany(_GIVE, given)


def seal_all_anew(db: sqlite3.Connection, keyring: Keyring) -> int:
    """Encrypt every value with the newest key, within a transaction; return how many there are."""
    rows = db.execute(_ALL).fetchall()
    db.executemany(_RESEAL, [{"id": id, "value": keyring.seal_anew(value)} for id, value in rows])
    return len(rows)


def _named(spec: RunSpec) -> Iterable[tuple[Location, str]]:
    yield from ((("secrets", n, "name"), use.name) for n, use in enumerate(spec.secrets))
    if spec.source is not None and spec.source.git is not None and spec.source.git.secret is not None:
        yield ("source", "git", "secret"), spec.source.git.secret


def _secret(row: sqlite3.Row) -> Secret:
    return Secret(
        name=row["name"],
        project=row["project"],
        created_at=instant(row["created_us"]),
        updated_at=instant(row["updated_us"]),
    )
