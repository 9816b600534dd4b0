"""API keys as rows: made, matched, used, over, and gone with their project."""

import asyncio
from pathlib import Path

import pytest
from runsd_sdk.key import KeyAccess, KeySpec

from runsd.errors import Conflicting, Unknown
from runsd.faults import Step
from runsd.ids import Ids
from runsd.store import keys as store
from runsd.store.keys import Keys
from runsd.store.projects import Projects
from tests.store.desk import PROJECT, Desk

WRITE = KeySpec(name="ci")
DAY_S = 86_400


@pytest.fixture
async def keys(desk: Desk) -> Keys:
    return await loaded(desk)


async def loaded(desk: Desk) -> Keys:
    return await Keys.load(desk.db, clock=desk.hands.now, new_id=Ids(desk.hands.now).new)


async def test_a_token_opens_its_key_and_is_kept_nowhere(desk: Desk, keys: Keys, path: Path) -> None:
    made = await keys.create(PROJECT, KeySpec(name="ci", access=KeyAccess.READ))
    for each in (keys, await loaded(desk)):
        held = each.match(made.token)
        assert held is not None
        assert (held.id, held.project, held.access) == (made.id, PROJECT, "read")
        assert each.match(made.token[:-1] + ("a" if made.token[-1] != "a" else "b")) is None
        assert each.match("rk_nothing") is None
        assert "token" not in each.get(PROJECT, made.id).wire()
    secret = made.token.removeprefix(f"rk_{made.id.removeprefix('key_')}")
    stored = b"\n".join(file.read_bytes() for file in path.parent.iterdir() if file.is_file())
    assert made.id.encode() in stored
    assert secret.encode() not in stored


async def test_a_key_is_over_when_its_time_is(desk: Desk, keys: Keys) -> None:
    assert not keys.usable()
    made = await keys.create(PROJECT, KeySpec(name="ci", expires_in_seconds=DAY_S))
    held = keys.match(made.token)
    assert held is not None
    assert made.expires_at is not None
    assert (made.expires_at - made.created_at).total_seconds() == DAY_S
    assert (held.expired(desk.hands.now()), keys.usable()) == (False, True)
    desk.hands.forward(DAY_S)
    assert (held.expired(desk.hands.now()), keys.usable()) == (True, False)
    assert keys.match(made.token) == held, "it can be told that it is over"


async def test_a_deleted_key_opens_nothing_whoever_looks_meanwhile(desk: Desk, keys: Keys) -> None:
    made = [await keys.create(PROJECT, WRITE) for _ in range(5)]
    await asyncio.gather(*(keys.delete(PROJECT, each.id) for each in made), *(keys.look() for _ in made))
    assert [keys.match(each.token) for each in made] == [None] * len(made)
    assert list(keys.all(PROJECT)) == []


async def test_a_project_has_no_end_of_keys(desk: Desk, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_KEYS", 2)
    first, _ = [await keys.create(PROJECT, WRITE) for _ in range(2)]
    with pytest.raises(Conflicting, match="has 2; delete some"):
        await keys.create(PROJECT, WRITE)
    await keys.delete(PROJECT, first.id)
    await keys.create(PROJECT, WRITE)


async def test_the_last_use_is_written_down(desk: Desk, keys: Keys) -> None:
    used, unused = [await keys.create(PROJECT, WRITE) for _ in range(2)]
    held = keys.match(used.token)
    assert held is not None
    keys.note_use(held)
    keys.note_use(held)
    at = keys.get(PROJECT, used.id).last_used_at
    assert at is not None
    await keys.look()
    assert keys.get(PROJECT, used.id).last_used_at == at
    await keys.flush()
    again = await loaded(desk)
    assert again.get(PROJECT, used.id).last_used_at == at
    assert again.get(PROJECT, unused.id).last_used_at is None


async def test_a_use_that_cannot_be_written_down_is_no_end_and_comes_later(desk: Desk, keys: Keys) -> None:
    made = await keys.create(PROJECT, WRITE)
    held = keys.match(made.token)
    assert held is not None
    keys.note_use(held)
    full = "create trigger full before update on keys begin select raise(abort, 'disk is full'); end"
    await desk.db.write(lambda db: db.execute(full).rowcount, Step.CHANGE)
    await keys.flush()
    assert (await loaded(desk)).get(PROJECT, made.id).last_used_at is None
    await desk.db.write(lambda db: db.execute("drop trigger full").rowcount, Step.CHANGE)
    await keys.flush()
    assert (await loaded(desk)).get(PROJECT, made.id).last_used_at is not None


async def test_a_key_is_of_one_project_and_goes_with_it(desk: Desk, keys: Keys) -> None:
    projects = await Projects.load(desk.db, clock=desk.hands.now)
    with pytest.raises(Unknown):
        await keys.create("team", WRITE)
    await projects.create("team", [])
    made = await keys.create("team", WRITE)
    with pytest.raises(Unknown):
        keys.get(PROJECT, made.id)
    with pytest.raises(Unknown):
        await keys.delete(PROJECT, made.id)
    assert (len(keys.all("team")), len(keys.all(PROJECT))) == (1, 0)
    await projects.delete("team")
    await keys.look()
    assert keys.match(made.token) is None
