"""Sessions: what is kept of them, how they end, and links that open one."""

from pathlib import Path

import pytest
from runsd_sdk.key import KeySpec

from runsd.access import DEFAULT_PROJECT, Person
from runsd.store.database import open_database
from runsd.store.keys import Keys
from runsd.store.sessions import LASTS_S, Sessions, bound

ROOT = Person(uid=0)


@pytest.fixture
def now() -> list[int]:
    return [1_000_000_000]


async def test_a_session_is_known_by_its_hash_and_ends(tmp_path: Path, now: list[int]) -> None:
    db = await open_database(tmp_path / "runsd.db")
    sessions = await Sessions.load(db, clock=lambda: now[0])
    token = await sessions.create(ROOT)
    short = await sessions.create(ROOT, until_us=now[0] + 5_000_000)
    again = await Sessions.load(db, clock=lambda: now[0])
    for each in (sessions, again):
        found = each.match(token)
        assert found is not None
        assert found.person == ROOT
        assert each.match(token[:-1]) is None
        assert each.match("") is None
    assert not [
        row for row in await db.all("select * from sessions") if token.encode() in bytes(row["digest"])
    ]
    now[0] += 5_000_000
    assert sessions.match(short) is None
    assert sessions.match(token) is not None
    now[0] += LASTS_S * 1_000_000
    assert sessions.match(token) is None
    await sessions.create(ROOT)
    assert len(await db.all("select * from sessions")) == 1
    await db.close()


async def test_a_key_takes_its_sessions_with_it(tmp_path: Path, now: list[int]) -> None:
    db = await open_database(tmp_path / "runsd.db")
    sessions = await Sessions.load(db, clock=lambda: now[0])
    keys = await Keys.load(db, clock=lambda: now[0], new_id=lambda noun: f"{noun}_1")
    key = await keys.create(DEFAULT_PROJECT, KeySpec(name="k"))
    await sessions.create(Person(key=key.id))
    kept = await sessions.create(ROOT)
    await keys.delete(DEFAULT_PROJECT, key.id)
    assert [row["uid"] for row in await db.all("select * from sessions")] == [0]
    await sessions.delete(kept)
    assert sessions.match(kept) is None
    await db.close()


async def test_of_very_many_sessions_the_oldest_ends(tmp_path: Path, now: list[int]) -> None:
    db = await open_database(tmp_path / "runsd.db")
    sessions = await Sessions.load(db, clock=lambda: now[0])
    other = await sessions.create(Person(uid=1))
    tokens = []
    for _ in range(101):
        now[0] += 1
        tokens.append(await sessions.create(ROOT))
    assert [sessions.match(token) is None for token in tokens] == [True] + [False] * 100
    assert sessions.match(other) is not None
    await db.close()


async def test_a_link_is_followed_once(tmp_path: Path, now: list[int]) -> None:
    db = await open_database(tmp_path / "runsd.db")
    sessions = await Sessions.load(db, clock=lambda: now[0])
    code = sessions.link(ROOT)
    assert sessions.follow(code + "x") is None
    assert sessions.follow(code) == ROOT
    assert sessions.follow(code) is None
    await db.close()


async def test_nobody_uses_up_the_links_of_others(tmp_path: Path, now: list[int]) -> None:
    db = await open_database(tmp_path / "runsd.db")
    sessions = await Sessions.load(db, clock=lambda: now[0])
    kept = sessions.link(ROOT)
    codes = [sessions.link(Person(key="key_1")) for _ in range(1100)]
    opened = [sessions.follow(code) for code in codes]
    assert opened == [None] * 1080 + [Person(key="key_1")] * 20
    assert sessions.follow(kept) == ROOT
    await db.close()


async def test_the_cookie_of_a_bound_session_opens_nothing_alone(tmp_path: Path, now: list[int]) -> None:
    db = await open_database(tmp_path / "runsd.db")
    sessions = await Sessions.load(db, clock=lambda: now[0])
    cookie = await sessions.create(ROOT, within="secret")
    assert sessions.match(bound(cookie, "secret")) is not None
    for token in (cookie, bound(cookie, ""), bound(cookie, "another"), bound(cookie, "\udcff")):
        assert sessions.match(token) is None
    await db.close()
