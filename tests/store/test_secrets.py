"""Secrets at rest: encrypted, given to runs as they were at submission, and gone with who needed them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from runsd_sdk.spec import RunSpec

from runsd.errors import Conflicting, Refused, SecretsLocked, Unknown
from runsd.keyring import Keyring
from runsd.rotation import rotate
from runsd.store import secrets as store
from runsd.store.secrets import Secrets
from tests.store.desk import FAILURE, PROJECT, Desk, open_desk

HUSH, NEW = "correct horse battery staple", "tr0ub4dor and three"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path / "runsd.db") as desk:
        yield desk


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "secrets.key")


@pytest.fixture
def secrets(desk: Desk, keyring: Keyring) -> Secrets:
    return Secrets(desk.db, keyring, clock=desk.hands.now)


async def values(desk: Desk) -> int:
    return len(await desk.db.all("select id from secret_values"))


async def test_a_value_is_in_no_file_as_it_is(desk: Desk, secrets: Secrets, tmp_path: Path) -> None:
    made = await secrets.set(PROJECT, "A", HUSH)
    await desk.submit(secrets=["A"])
    changed = await secrets.set(PROJECT, "A", NEW)
    assert (changed.created_at, changed.updated_at > made.updated_at) == (made.created_at, True)
    for file in tmp_path.iterdir():
        content = file.read_bytes()
        assert HUSH.encode() not in content and NEW.encode() not in content, file


async def test_a_project_has_so_many_secrets_and_those_may_change(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MOST", 2)
    for name in ("A", "B"):
        await secrets.set(PROJECT, name, HUSH)
    with pytest.raises(Conflicting, match="the project has 2, and may have no more; delete some"):
        await secrets.set(PROJECT, "C", HUSH)
    await secrets.set(PROJECT, "A", NEW)
    await secrets.delete(PROJECT, "B")
    await secrets.set(PROJECT, "C", HUSH)
    assert [each.name for each in await secrets.list(PROJECT)] == ["A", "C"]


async def test_a_run_keeps_the_value_that_it_was_submitted_with(desk: Desk, secrets: Secrets) -> None:
    await secrets.set(PROJECT, "A", HUSH)
    before = await desk.submit(secrets=["A"])
    await secrets.set(PROJECT, "A", NEW)
    after = await desk.submit(secrets=[{"name": "A", "path": "a"}])
    old, new = (await secrets.of_run(before.id))["A"], (await secrets.of_run(after.id))["A"]
    assert (old.value, new.value) == (HUSH, NEW)
    assert old.version != new.version
    assert HUSH not in repr(old)
    await secrets.delete(PROJECT, "A")
    assert (await secrets.of_run(before.id))["A"] == old
    with pytest.raises(Unknown):
        await secrets.delete(PROJECT, "A")


async def test_a_retry_keeps_it_and_the_end_forgets_it(desk: Desk, secrets: Secrets) -> None:
    await secrets.set(PROJECT, "A", HUSH)
    work = await desk.running(secrets=["A"])
    await secrets.set(PROJECT, "A", NEW)
    assert await desk.attempts.retry(work, desk.ended(work, outcome=FAILURE), not_before_us=0)
    assert (await secrets.of_run(work.id))["A"].value == HUSH
    assert await values(desk) == 2
    await desk.runs.cancel(PROJECT, work.id)
    assert await secrets.of_run(work.id) == {}
    assert await values(desk) == 1  # today's


@pytest.mark.parametrize("end", ["finished", "cancelled", "expired", "forgotten"])
async def test_whichever_way_a_run_ends_its_values_go(desk: Desk, secrets: Secrets, end: str) -> None:
    await secrets.set(PROJECT, "A", HUSH)
    if end == "finished":
        await desk.finished(secrets=["A"])
    else:
        run = await desk.submit(secrets=["A"], queue_ttl_seconds=1)
        if end == "expired":
            desk.hands.forward(2)
            assert await desk.attempts.expire() == [run.id]
        else:
            await desk.runs.cancel(PROJECT, run.id)
        if end == "forgotten":
            await desk.runs.forget(PROJECT, run.id)
    assert await values(desk) == 1
    await secrets.delete(PROJECT, "A")
    assert await values(desk) == 0


async def test_a_secret_that_is_not_there_is_named_and_nothing_is_accepted(
    desk: Desk, secrets: Secrets
) -> None:
    await secrets.set(PROJECT, "A", HUSH)
    with pytest.raises(Refused, match="there is no secret 'B'") as refusal:
        await desk.submit_all({"secrets": ["A"]}, {"secrets": ["A", "B"]}, one=False)
    assert [at for at, _ in refusal.value.errors] == [("runs", 1, "secrets", 1, "name")]
    git = {"url": "https://example.org/x.git", "secret": "C"}
    program = {"image": None, "python": {"entrypoint": {"module": "m"}}, "source": {"git": git}}
    with pytest.raises(Refused, match="there is no secret 'C'") as refusal:
        await desk.submit(**program)
    assert [at for at, _ in refusal.value.errors] == [("source", "git", "secret")]
    assert await desk.db.all("select 1 from runs") == []


async def test_without_the_key_nothing_is_opened_or_made(
    desk: Desk, secrets: Secrets, keyring: Keyring
) -> None:
    await secrets.set(PROJECT, "A", HUSH)
    await secrets.check(PROJECT, ["A", "unknown"])
    run = await desk.submit(secrets=["A"])
    key = keyring.path.read_bytes()
    keyring.path.unlink()
    for asking in (
        secrets.check(PROJECT, ["A"]),
        secrets.of_run(run.id),
        secrets.set(PROJECT, "B", NEW),
    ):
        with pytest.raises(SecretsLocked, match="put it back"):
            await asking
    assert [one.name for one in await secrets.list(PROJECT)] == ["A"]
    keyring.path.write_bytes(key)
    keyring.path.chmod(0o600)
    assert (await secrets.of_run(run.id))["A"].value == HUSH


async def test_rotated_beside_the_daemon_every_value_has_the_new_key_alone(
    desk: Desk, secrets: Secrets, keyring: Keyring, tmp_path: Path
) -> None:
    await secrets.set(PROJECT, "A", HUSH)
    run = await desk.submit(secrets=["A"])
    await secrets.set(PROJECT, "A", NEW)
    old = keyring.path.read_text()
    assert rotate(tmp_path, Keyring(keyring.path)) == 2
    assert len(keyring.path.read_text().split()) == 1
    assert old not in keyring.path.read_text()
    assert (await secrets.of_run(run.id))["A"].value == HUSH
    await secrets.set(PROJECT, "B", HUSH)
    await secrets.check(PROJECT, ["A", "B"])


async def test_what_cannot_be_opened_is_not_rotated(
    secrets: Secrets, keyring: Keyring, tmp_path: Path
) -> None:
    await secrets.set(PROJECT, "A", HUSH)
    right = keyring.path.read_bytes()
    keyring.path.unlink()
    keyring.add_key()
    wrong = keyring.path.read_bytes()
    with pytest.raises(SecretsLocked, match="another key"):
        rotate(tmp_path, Keyring(keyring.path))
    assert keyring.path.read_bytes() == wrong
    keyring.path.write_bytes(right)
    await secrets.check(PROJECT, ["A"])


def test_a_spec_names_each_secret_once() -> None:
    spec = RunSpec(image="a", secrets=["A", {"name": "A", "path": "x"}, {"name": "B", "env": "C"}])
    assert spec.secret_names == ("A", "B")
