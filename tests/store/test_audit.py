"""The audit: an entry is there if and only if the change is that it tells of."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from runsd_sdk.audit import AuditEntry
from runsd_sdk.spec import VolumeSpec

from runsd import acts
from runsd.acts import Act
from runsd.errors import Conflicting
from runsd.faults import Step
from runsd.keyring import Keyring
from runsd.rotation import rotate
from runsd.store import audit
from runsd.store.audit import AuditFilter
from runsd.store.refusals import MOST, Refusals
from tests.store.attic import open_attic
from tests.store.desk import PROJECT, Desk

ALL = AuditFilter(None)


def act(action: str = "run.create", who: str = "uid 1000", **more: Any) -> Act:
    return Act(who, "unix", action, PROJECT, **more)


async def entries(desk: Desk, wanted: AuditFilter = ALL) -> list[AuditEntry]:
    return (await desk.audit.page(wanted)).data


async def test_an_entry_goes_with_the_first_change_of_a_call_and_with_nothing_else(desk: Desk) -> None:
    await desk.submit()  # the daemon's own
    before = desk.hands.us
    with acts.doing(act()):
        runs = await desk.submit_all({}, {}, key="same", fingerprint="f")
        await desk.submit()
    with acts.doing(act()):
        assert await desk.submit_all({}, {}, key="same", fingerprint="f") == runs
    with acts.doing(act("run.cancel", object=runs[0].id, name="laptop", who="key key_1")):
        await desk.runs.cancel(PROJECT, runs[0].id)
        await desk.runs.relabel(PROJECT, runs[0].id, {"k": "v"})
    with acts.doing(act("run.cancel", object=runs[0].id)):
        await desk.runs.cancel(PROJECT, runs[0].id)
    cancel, create = await entries(desk)
    assert (create.who, create.action, create.project) == ("uid 1000", "run.create", PROJECT)
    assert (create.object, create.count, create.result) == (runs[0].id, 2, "done")
    assert (cancel.who, cancel.name, cancel.action, cancel.object) == (
        "key key_1", "laptop", "run.cancel", runs[0].id,
    )  # fmt: skip
    assert create.id < cancel.id
    assert [e.action for e in await entries(desk, AuditFilter(PROJECT, since_us=before))] == [
        "run.cancel", "run.create",
    ]  # fmt: skip


async def test_what_is_undone_leaves_no_entry_and_neighbours_keep_theirs(desk: Desk) -> None:
    async def asked(who: str, *, fails: bool) -> None:
        def job(db: sqlite3.Connection) -> None:
            db.execute("insert into meta (key, value) values (?, 'x')", (who,))
            acts.about(PROJECT, who)
            if fails:
                raise Conflicting("no")

        with acts.doing(act(who=who)):
            await desk.db.write(job, Step.CHANGE)

    # Handed in together they share one commit.
    asked_all = [asked(f"uid {n}", fails=n % 2 == 0) for n in range(20)]
    failed = await asyncio.gather(*asked_all, return_exceptions=True)
    assert [isinstance(each, Conflicting) for each in failed] == [n % 2 == 0 for n in range(20)]
    told = {(entry.who, entry.object) for entry in await entries(desk)}
    assert told == {(f"uid {n}", f"uid {n}") for n in range(20) if n % 2}
    stored = {row["key"] for row in await desk.db.all("select key from meta where key like 'uid%'")}
    assert stored == {who for who, _ in told}


async def test_a_volume_that_nobody_has_seen_was_never_made(desk: Desk) -> None:
    with acts.doing(act("volume.create")):
        volume = await desk.volumes.add(PROJECT, VolumeSpec(name="cache"))
        assert await entries(desk) == []
        await desk.volumes.forget(volume)
    assert await entries(desk) == []
    with acts.doing(act("volume.create")):
        volume = await desk.volumes.add(PROJECT, VolumeSpec(name="cache"))
        await desk.volumes.keep(volume)
    deleting = act("volume.delete", object="cache")
    with acts.doing(deleting):
        await desk.volumes.discard(volume)
        await desk.volumes.keep(volume)
    await desk.audit.fail(deleting)
    assert [(e.action, e.object, e.result) for e in await entries(desk)] == [
        ("volume.delete", volume.id, "failed"), ("volume.create", volume.id, "done"),
    ]  # fmt: skip


async def test_pages_are_newest_first_and_look_only_so_far(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "MOST_EXAMINED", 4)
    for n in range(10):
        await desk.audit.add(act(f"{'key' if n == 1 else 'run'}.create", who=f"uid {n % 2}", object=str(n)))

    async def found(**filters: Any) -> tuple[list[str], int]:
        told: list[str] = []
        cursor, pages = None, 0
        while pages == 0 or cursor is not None:
            page = await desk.audit.page(
                AuditFilter(filters.pop("project", PROJECT), **filters, cursor=cursor)
            )
            told += [entry.object or "" for entry in page.data]
            cursor, pages = page.next_cursor, pages + 1
        return told, pages

    assert await found(limit=3) == ([str(n) for n in reversed(range(10))], 4)
    assert (await found(who="uid 1", whos=["uid 1"]))[0] == ["9", "7", "5", "3", "1"]
    assert await found(action="key") == (["1"], 3)
    assert await found(action="ke") == ([], 3)
    assert await found(action="key.create", project=None) == (["1"], 3)
    assert await entries(desk, AuditFilter("other")) == []
    middle = desk.hands.us + 5_000
    desk.hands.forward(1)
    await desk.audit.add(act(object="last"))
    assert [e.object for e in await entries(desk, AuditFilter(None, since_us=middle))] == ["last"]
    assert "last" not in [e.object for e in await entries(desk, AuditFilter(None, until_us=middle))]


async def test_refusals_are_few_whatever_is_tried(desk: Desk) -> None:
    refusals = Refusals(desk.audit)
    for n in range(MOST + 500):
        refusals.add(act("key.create", who=f"uid {n}", object="whatever"))
        refusals.add(act("key.delete", who="uid 1"))
    await refusals.flush()
    await refusals.flush()
    told = await entries(desk, AuditFilter(None, limit=2 * MOST))
    assert len(told) == MOST
    assert {(entry.result, entry.object) for entry in told} == {("refused", None)}
    assert [entry.count for entry in told if entry.action == "key.delete"] == [MOST + 500]


async def test_it_is_kept_for_as_long_as_it_says_whatever_becomes_of_the_runs(tmp_path: Path) -> None:
    async with open_attic(tmp_path) as attic:
        with acts.doing(act()):
            await attic.desk.finished()
        attic.desk.hands.forward(20 * 24 * 3600)
        await attic.tidied(runs_days=10.0, events_days=10.0, audit_days=21.0)
        assert (await attic.runs(), len(await entries(attic.desk))) == (set(), 1)
        await attic.desk.audit.add(act("secret.set"))
        await attic.tidied(audit_days=10.0)
        assert [entry.action for entry in await entries(attic.desk)] == ["secret.set"]


async def test_a_rotation_beside_the_daemon_is_noted(desk: Desk, tmp_path: Path) -> None:
    desk.keyring.seal("x", may_make=True)
    rotate(tmp_path, Keyring(desk.keyring.path))
    (entry,) = await entries(desk)
    assert (entry.action, entry.address, entry.project) == ("secrets.rotate", "host", None)
