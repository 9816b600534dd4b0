"""The volumes: names of a project for named volumes of the Engine."""

import json
from collections.abc import Callable, Sequence

import aiosqlite
from runsd_sdk.host import Volume
from runsd_sdk.spec import RunSpec, VolumeSpec

from runsd.clock import Clock, instant, micros
from runsd.errors import Conflicting, Location, Refused, Unknown
from runsd.faults import Step
from runsd.sqlite import Sqlite

_INSERT = """
insert into volumes (id, project, name, labels, docker_name, created_us)
values (:id, :project, :name, :labels, :docker_name, :now)
on conflict (project, name) do nothing returning *
"""
_SELECT = """
select v.*, (
    select count(*) from run_volumes u join runs r on r.id = u.run_id
    where u.volume_id = v.id and r.phase <> 'finished'
) as live_runs
from volumes v
"""
_LIST = f"{_SELECT} where project = :project order by name"
_FIND = f"{_SELECT} where project = :project and (id = :wanted or name = :wanted)"
_DELETE = """
delete from volumes where id = :id and not exists (
    select 1 from run_volumes u join runs r on r.id = u.run_id
    where u.volume_id = :id and r.phase <> 'finished'
) returning id
"""


class Volumes:
    """The table of volumes."""

    def __init__(self, db: Sqlite, *, clock: Clock, new_id: Callable[[str], str]) -> None:
        self._db = db
        self._clock = clock
        self._new_id = new_id

    async def add(self, project: str, spec: VolumeSpec) -> Volume:
        """Record a volume before the Engine is asked for it. Raises Conflicting for a name in use."""

        async def job(db: aiosqlite.Connection) -> bool:
            id = self._new_id("vol")
            given = {
                "id": id,
                "project": project,
                "name": spec.name,
                "labels": json.dumps(spec.labels),
                "docker_name": f"runsd-{id.replace('_', '-')}",
                "now": self._clock(),
            }
            return bool(await db.execute_fetchall(_INSERT, given))

        if not await self._db.write(job, Step.ADD_VOLUME):
            raise Conflicting(
                f"cannot make volume {spec.name!r}: that name is in use; use it or choose another"
            )
        return await self.get(project, spec.name)

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
        sql = "select id, docker_name from volumes where id in (select value from json_each(:ids))"
        rows = await self._db.all(sql, {"ids": json.dumps(list(ids))})
        return {row["id"]: row["docker_name"] for row in rows}

    async def restore(self, volume: Volume) -> None:
        """Put back a volume that could not be removed from the Engine after all."""

        async def job(db: aiosqlite.Connection) -> None:
            await db.execute_fetchall(_INSERT, _given(volume))

        await self._db.write(job, Step.RESTORE_VOLUME)

    async def delete(self, volume: Volume) -> None:
        """Forget a volume. Raises Conflicting while live runs use it, Unknown when it is gone."""

        async def job(db: aiosqlite.Connection) -> bool:
            return bool(await db.execute_fetchall(_DELETE, {"id": volume.id}))

        if not await self._db.write(job, Step.DELETE_VOLUME):
            await self.get(volume.project, volume.id)  # somebody else may have deleted it
            raise Conflicting(
                f"cannot delete volume {volume.name!r}: runs that are not over use it; cancel or await them",
                code="volume_in_use",
            )


def _given(volume: Volume) -> dict[str, object]:
    return {
        "id": volume.id,
        "project": volume.project,
        "name": volume.name,
        "labels": json.dumps(volume.labels),
        "docker_name": volume.docker_name,
        "now": micros(volume.created_at),
    }


async def resolve_mounts(
    db: aiosqlite.Connection, project: str, specs: Sequence[RunSpec], *, one: bool
) -> list[RunSpec]:
    """Return the specs with volume ids in the place of names. Raises Refused for an unknown volume."""
    if not any(spec.volume_mounts for spec in specs):
        return list(specs)
    rows = list(
        await db.execute_fetchall(
            "select id, name from volumes where project = :project", {"project": project}
        )
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


def _volume(row: aiosqlite.Row) -> Volume:
    return Volume(
        id=row["id"],
        project=row["project"],
        name=row["name"],
        labels=json.loads(row["labels"]),
        docker_name=row["docker_name"],
        created_at=instant(row["created_us"]),
        live_runs=row["live_runs"],
    )
