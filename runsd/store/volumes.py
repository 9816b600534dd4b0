"""The volumes: names of a project for named volumes of the Engine. A marked row is seen by nobody."""

import json
import sqlite3
from collections.abc import Callable, Sequence

from runsd_sdk.host import Volume
from runsd_sdk.spec import RunSpec, VolumeSpec

from runsd import acts
from runsd.clock import Clock, instant
from runsd.errors import Conflicting, Location, Refused, Unknown
from runsd.faults import Step
from runsd.sqlite import Sqlite
from runsd.store.projects import require_project

_INSERT = """
insert into volumes (id, project, name, labels, docker_name, created_us, deleting_us)
values (:id, :project, :name, :labels, :docker_name, :now, :now)
on conflict (project, name) do nothing returning *, 0 as live_runs
"""
# Written so that it goes from the few runs that are not over to their volumes: each half has its own index.
_USED = """
select u.volume_id from (
    select id from runs where phase = 'queued'
    union all select id from runs where phase not in ('queued', 'finished')
) unfinished cross join run_volumes u on u.run_id = unfinished.id
"""
_SELECT = f"""
with used as materialized (select volume_id, count(*) as runs from ({_USED}) group by volume_id)
select volumes.*, coalesce(used.runs, 0) as live_runs
from volumes left join used on used.volume_id = volumes.id
"""
_LIST = f"{_SELECT} where project = :project and deleting_us is null order by name"
_FIND = f"""
{_SELECT} where project = :project and (id = :wanted or name = :wanted) and deleting_us is null
"""
_DOCKER_NAMES = """
select id, docker_name from volumes
where id in (select value from json_each(:ids)) and deleting_us is null
"""
_DISCARDED = f"{_SELECT} where deleting_us is not null order by id"
_DISCARD = f"""
update volumes set deleting_us = :now
where id = :id and deleting_us is null and id not in ({_USED}) returning id
"""
_USERS = """
select unfinished.id from (
    select id from runs where phase = 'queued'
    union all select id from runs where phase not in ('queued', 'finished')
) unfinished join run_volumes u on u.run_id = unfinished.id and u.volume_id = :id
order by unfinished.id limit :most
"""
_KEEP = "update volumes set deleting_us = null where id = :id"
_FORGET = "delete from volumes where id = :id and deleting_us is not null"
_NAMED = 3


class Volumes:
    """The table of volumes."""

    def __init__(self, db: Sqlite, *, clock: Clock, new_id: Callable[[str], str]) -> None:
        self._db = db
        self._clock = clock
        self._new_id = new_id

    async def add(self, project: str, spec: VolumeSpec) -> Volume:
        """Record that a volume is being made; nobody sees it before ``keep``.

        Raises Conflicting for a name in use.
        """

        def job(db: sqlite3.Connection) -> Volume:
            require_project(db, project)
            id = self._new_id("vol")
            given = {
                "id": id,
                "project": project,
                "name": spec.name,
                "labels": json.dumps(spec.labels),
                "docker_name": f"runsd-{id.replace('_', '-')}",
                "now": self._clock(),
            }
            acts.leave_aside()  # nobody sees it yet
            for row in db.execute(_INSERT, given).fetchall():
                return _volume(row)
            seen = db.execute(_FIND, {"project": project, "wanted": spec.name}).fetchall()
            why = (
                "that name is in use; use it or choose another"
                if seen
                else "one of that name is being made or removed; try again in a minute or choose another name"
            )
            raise Conflicting(f"cannot make volume {spec.name!r}: {why}")

        return await self._db.write(job, Step.ADD_VOLUME)

    async def keep(self, volume: Volume) -> None:
        """Let everybody see a volume: it has been made, or could not be removed after all."""
        await self._change(_KEEP, volume, Step.KEEP_VOLUME)

    async def discard(self, volume: Volume) -> None:
        """Record that a volume is being removed; nobody sees it from now on.

        Raises Conflicting while live runs use it, Unknown when it is gone.
        """
        if not await self._change(_DISCARD, volume, Step.DISCARD_VOLUME):
            await self.get(volume.project, volume.id)  # somebody else may have removed it
            users = [row["id"] for row in await self._db.all(_USERS, {"id": volume.id, "most": _NAMED + 1})]
            named = ", ".join(users[:_NAMED]) + (", …" if len(users) > _NAMED else "")
            raise Conflicting(
                f"cannot delete volume {volume.name!r}: runs that are not over use it; "
                f"cancel or await them{named and ': '}{named}",
                code="volume_in_use",
            )

    async def forget(self, volume: Volume) -> None:
        """Delete the row of a volume that is being removed, or could not be made."""
        await self._change(_FORGET, volume, Step.FORGET_VOLUME)

    async def discarded(self) -> Sequence[Volume]:
        """Return the volumes of all projects that are being made or removed."""
        return [_volume(row) for row in await self._db.all(_DISCARDED)]

    async def is_discarded(self, volume: Volume) -> bool:
        """Say whether a volume is still being made or removed."""
        return volume.id in {each.id for each in await self.discarded()}

    async def list(self, project: str) -> Sequence[Volume]:
        """Return a project's volumes by name."""
        return [_volume(row) for row in await self._db.all(_LIST, {"project": project})]

    async def get(self, project: str, wanted: str) -> Volume:
        """Return a volume by id or name. Raises Unknown."""
        row = await self._db.one(_FIND, {"project": project, "wanted": wanted})
        if row is None:
            raise Unknown(f"there is no volume {wanted[:64]!r}; list them with GET /v1/volumes")
        return _volume(row)

    async def docker_names(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the Engine's names of volumes by their ids; ids that are gone are left out."""
        rows = await self._db.all(_DOCKER_NAMES, {"ids": json.dumps(list(ids))})
        return {row["id"]: row["docker_name"] for row in rows}

    async def _change(self, statement: str, volume: Volume, step: Step) -> bool:
        def job(db: sqlite3.Connection) -> bool:
            acts.about(volume.project, volume.id)
            if statement == _FORGET:
                acts.leave_aside()  # nobody has seen it for a while, or ever
            given = {"id": volume.id, "now": self._clock()}
            return bool(db.execute(statement, given).fetchall())

        return await self._db.write(job, step)


def resolve_mounts(
    db: sqlite3.Connection, project: str, specs: Sequence[RunSpec], *, one: bool
) -> list[RunSpec]:
    """Return the specs with volume ids in the place of names. Raises Refused for an unknown volume."""
    if not any(spec.volume_mounts for spec in specs):
        return list(specs)
    rows = list(
        db.execute(
            "select id, name from volumes where project = :project and deleting_us is null",
            {"project": project},
        ).fetchall()
    )
    ids = {row["name"]: row["id"] for row in rows} | {row["id"]: row["id"] for row in rows}
    resolved, errors = [], []
    for n, spec in enumerate(specs):
        prefix: Location = () if one else ("runs", n)
        for m, mount in enumerate(spec.volume_mounts):
            if mount.volume_id not in ids:
                loc = (*prefix, "volumeMounts", m, "volumeId")
                errors.append((loc, f"there is no volume {mount.volume_id!r}; make it with POST /v1/volumes"))
        mounts = [
            mount.model_copy(update={"volume_id": ids.get(mount.volume_id)}) for mount in spec.volume_mounts
        ]
        resolved.append(spec.model_copy(update={"volume_mounts": mounts}))
    if errors:
        raise Refused("cannot accept this run: a volume is unknown", errors=errors)
    return resolved


def _volume(row: sqlite3.Row) -> Volume:
    return Volume(
        id=row["id"],
        project=row["project"],
        name=row["name"],
        labels=json.loads(row["labels"]),
        docker_name=row["docker_name"],
        created_at=instant(row["created_us"]),
        live_runs=row["live_runs"],
    )
