"""Webhooks in the store: what is written with an event, and what becomes of it."""

import json
import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest
from runsd_sdk.run import Run
from runsd_sdk.webhook import EVENT_TYPES, Webhook, WebhookEvent, WebhookPatch, WebhookRun, WebhookSpec

from runsd.errors import Conflicting, Unknown
from runsd.faults import Step
from runsd.store.deliveries import Attempt, Due
from runsd.store.events import add_event
from runsd.store.projects import Projects
from runsd.store.secrets import seal_all_anew
from runsd.store.timers import Reading, Timers
from tests.store.attic import open_attic
from tests.store.desk import FAILURE, PROJECT, SECOND, Desk

DAY_US = 24 * 3600 * SECOND
TAKEN = Attempt(at_us=1, duration_us=5_000, status_code=204, error=None)
REFUSED = Attempt(at_us=1, duration_us=5_000, status_code=500, error="the receiver answered 500")


async def registered(desk: Desk, *events: str, **more: bool) -> Webhook:
    spec = WebhookSpec(url="https://example.com/hook", events=list(events) or ["run.finished"], **more)
    return await desk.webhooks.add(PROJECT, spec)


async def told(desk: Desk, webhook: Webhook) -> list[str]:
    return [one.type for one in reversed((await desk.deliveries.page(webhook.id)).data)]


async def due(desk: Desk, webhook: Webhook) -> list[Due]:
    return await desk.deliveries.due(webhook.id, 100)


async def rows(desk: Desk, *tables: str) -> int:
    everything = await desk.everything()
    return sum(len(everything[table]) for table in tables)


def read(body: bytes) -> WebhookEvent:
    return WebhookEvent.model_validate_json(body)


async def test_without_a_webhook_nothing_is_written(desk: Desk) -> None:
    await registered(desk, "*", enabled=False)
    await desk.finished()
    assert await rows(desk, "webhook_messages", "webhook_deliveries", "webhook_wants") == 0


async def test_each_webhook_is_told_what_it_wants_and_nothing_twice(desk: Desk) -> None:
    all_of_it = await registered(desk, "*", "run.finished")
    ends = await registered(desk, "run.finished", "run.finished:failed")
    failures = await registered(desk, "run.finished:failed")
    await desk.finished()
    await desk.finished(outcome=FAILURE)
    work = await desk.admitted()
    await desk.attempts.pull_progress(work, 1, 2)
    life = ["run.submitted", "run.admitted", "run.running", "run.finished"]
    assert await told(desk, all_of_it) == [*life, *life, "run.submitted", "run.admitted"]
    assert await told(desk, ends) == ["run.finished"] * 2
    assert await told(desk, failures) == ["run.finished"]
    ids = {one.id for each in (all_of_it, ends) for one in (await desk.deliveries.page(each.id)).data}
    assert len(ids) == 10  # the same message has one id, whoever is told


async def test_an_event_that_is_undone_is_told_to_nobody(desk: Desk) -> None:
    webhook, run = await registered(desk, "*"), await desk.submit()

    def job(db: sqlite3.Connection) -> None:
        add_event(db, run.id, desk.hands.now(), "run.extended", {})
        raise KeyError

    with pytest.raises(KeyError):
        await desk.db.write(job, Step.CHANGE)
    assert await told(desk, webhook) == ["run.submitted"]


@pytest.mark.parametrize(
    "spec",
    [
        {"name": "one", "labels": {"a": "b"}, "env": {"PASSWORD": "hush"}, "command": ["echo", "hush"]},
        {"image": None, "python": {"version": "3.12", "entrypoint": {"module": "hush"}}},
    ],
)
async def test_the_message_has_the_run_as_it_was_without_what_it_was_given(
    desk: Desk, spec: dict[str, object]
) -> None:
    webhook = await registered(desk)
    run = await desk.finished(**spec)
    await desk.runs.relabel(PROJECT, run.id, {"changed": "later"})
    (message,) = await due(desk, webhook)
    event = read(message.body)
    assert (event.type, event.data.project) == ("run.finished", PROJECT)
    assert event.data.details["exitCode"] == 0
    assert event.data.run is not None
    as_it_was = run.wire()
    del as_it_was["spec"]
    assert event.data.run.wire() == as_it_was
    assert b"hush" not in message.body
    assert (await desk.deliveries.get(webhook.id, message.message_id)).payload == json.loads(message.body)


async def test_a_run_that_is_deleted_is_still_told_of(desk: Desk) -> None:
    webhook = await registered(desk, "run.finished", "run.deleted")
    run = await desk.finished()
    await desk.runs.forget(PROJECT, run.id)
    events = [read(one.body) for one in await due(desk, webhook)]
    assert [(one.type, one.data.run and one.data.run.id) for one in events] == [
        ("run.finished", run.id),
        ("run.deleted", run.id),
    ]


def test_a_message_has_every_field_of_a_run_but_its_spec() -> None:
    assert WebhookRun.model_fields.keys() == Run.model_fields.keys() - {"spec"}


async def test_a_message_keeps_every_column_of_a_run_that_may_be_told(desk: Desk) -> None:
    """If this fails, a migration has given runs another column: make the trigger anew with it."""
    await registered(desk)
    await desk.finished()
    (row,) = await desk.db.all("select run from webhook_messages")
    columns = {column["name"] for column in await desk.db.all("pragma table_info(runs)")}
    inner = {
        "spec", "cpu_milli", "memory_bytes", "gpus", "priority", "timeout_s", "grace_s", "cancel_us",
        "stop_reason", "not_before_us", "expires_us", "admitted_us",
    }  # fmt: skip
    assert json.loads(row["run"]).keys() == columns - inner | {"image", "python"}


def test_every_event_of_the_store_can_be_asked_for_but_the_progress_of_pulls() -> None:
    store = Path(add_event.__code__.co_filename).parent
    text = "".join(file.read_text() for file in store.glob("*.py"))
    assert set(re.findall(r'"(run\.[a-z_]+)"', text)) - {"run.pull_progress"} == set(EVENT_TYPES)


async def test_what_failed_is_sent_again_and_given_up_at_last(desk: Desk) -> None:
    webhook = await registered(desk)
    await desk.finished()
    (first,) = await due(desk, webhook)
    next_us = desk.hands.now() + 5 * SECOND
    assert await desk.deliveries.failed(first, REFUSED, next_us=next_us, patience_us=DAY_US) is None
    assert (await due(desk, webhook), first.tries) == ([], 0)
    assert [line.next_us for line in await desk.deliveries.lines()] == [next_us]
    desk.hands.forward(6)
    (second,) = await due(desk, webhook)
    assert (second.message_id, second.body, second.tries) == (first.message_id, first.body, 1)
    await desk.deliveries.failed(second, REFUSED, next_us=None, patience_us=DAY_US)
    given_up = await desk.deliveries.get(webhook.id, first.message_id)
    assert (given_up.status, given_up.next_attempt_at, len(given_up.attempts)) == ("failed", None, 2)
    assert given_up.attempts[1].error == REFUSED.error
    await desk.deliveries.send_again(PROJECT, webhook.id, first.message_id)
    (again,) = await due(desk, webhook)
    assert again.tries == 0
    await desk.deliveries.delivered(again, TAKEN)
    done = await desk.deliveries.get(webhook.id, first.message_id)
    assert (done.status, [one.number for one in done.attempts]) == ("delivered", [1, 2, 3])
    assert (await desk.webhooks.get(PROJECT, webhook.id)).failing_since is None


async def test_a_day_of_failures_disables_and_enabling_sends_what_was_missed(desk: Desk) -> None:
    webhook = await registered(desk)
    await desk.finished()
    await desk.finished()
    for hour in range(25):
        message = (await due(desk, webhook))[hour % 2]
        why = await desk.deliveries.failed(
            message, REFUSED, next_us=desk.hands.now() + SECOND, patience_us=DAY_US
        )
        assert (why is not None) == (hour == 24)
        desk.hands.forward(3600)
    off = await desk.webhooks.get(PROJECT, webhook.id)
    assert (off.enabled, off.pending) == (False, 2)
    assert "24 hours" in (off.disabled_reason or "") and "answered 500" in (off.disabled_reason or "")
    await desk.finished()
    assert not await desk.deliveries.lines()
    with pytest.raises(Conflicting, match="enable it first"):
        await desk.deliveries.add_test(PROJECT, webhook.id)
    with pytest.raises(Conflicting, match="enable it first"):
        await desk.deliveries.send_again(PROJECT, webhook.id, message.message_id)
    on = await desk.webhooks.change(PROJECT, webhook.id, WebhookPatch(enabled=True))
    assert (on.enabled, on.disabled_reason, on.failing_since) == (True, None, None)
    await desk.finished()
    assert len(await due(desk, webhook)) == 3  # but not what happened while it was disabled


async def test_a_success_in_between_begins_the_day_anew_and_a_test_does_not_count(desk: Desk) -> None:
    webhook = await registered(desk)
    await desk.finished()
    await desk.finished()
    one, other = await due(desk, webhook)
    await desk.deliveries.failed(one, REFUSED, next_us=desk.hands.now(), patience_us=DAY_US)
    assert (await desk.webhooks.get(PROJECT, webhook.id)).failing_since is not None
    await desk.deliveries.delivered(other, TAKEN)
    assert (await desk.webhooks.get(PROJECT, webhook.id)).failing_since is None
    await desk.deliveries.add_test(PROJECT, webhook.id)
    (test,) = [each for each in await due(desk, webhook) if each.is_test]
    await desk.deliveries.failed(test, REFUSED, next_us=None, patience_us=0)
    assert (await desk.webhooks.get(PROJECT, webhook.id)).failing_since is None


async def test_a_receiver_that_is_gone_is_told_nothing_more(desk: Desk) -> None:
    webhook = await registered(desk)
    await desk.finished()
    (one,) = await due(desk, webhook)
    await desk.deliveries.failed(one, REFUSED, next_us=1, patience_us=DAY_US, gone=True)
    assert "wants no more" in ((await desk.webhooks.get(PROJECT, webhook.id)).disabled_reason or "")


def opened(desk: Desk, messages: Iterable[Due]) -> list[list[str]]:
    return [[desk.keyring.open(each) for each in one.sealed] for one in messages]


async def test_a_former_secret_signs_for_a_day_and_no_secret_outlives_its_use(desk: Desk) -> None:
    webhook = await registered(desk)
    await desk.finished()
    assert opened(desk, await due(desk, webhook)) == [[webhook.secret]]
    second = await desk.webhooks.rotate(PROJECT, webhook.id)
    third = await desk.webhooks.rotate(PROJECT, webhook.id)
    assert len({webhook.secret, second.secret, third.secret}) == 3
    assert opened(desk, await due(desk, webhook)) == [[third.secret, second.secret]]
    assert await rows(desk, "secret_values") == 2
    assert (await desk.webhooks.get(PROJECT, webhook.id)).secret is None
    # Whoever changes the key of secrets changes these with them.
    desk.keyring.add_key()
    await desk.db.write(lambda db: seal_all_anew(db, desk.keyring), Step.RESEAL_SECRETS)
    desk.keyring.drop_old_keys()
    assert opened(desk, await due(desk, webhook)) == [[third.secret, second.secret]]
    desk.hands.forward(24 * 3600)
    assert opened(desk, await due(desk, webhook)) == [[third.secret]]
    await desk.deliveries.forget_secrets()
    assert await rows(desk, "secret_values") == 1
    await desk.webhooks.delete(PROJECT, webhook.id)
    assert await rows(desk, "secret_values") == 0


async def test_secrets_are_nowhere_in_the_file(desk: Desk, path: Path) -> None:
    webhook = await registered(desk)
    assert webhook.secret is not None
    with closing(sqlite3.connect(path)) as db:
        db.execute("pragma wal_checkpoint(truncate)")
    assert webhook.secret.removeprefix("whsec_").encode() not in path.read_bytes()


async def test_another_project_sees_nothing_and_is_told_nothing(desk: Desk) -> None:
    await (await Projects.load(desk.db, clock=desk.hands.now)).create("other", [])
    foreign = await desk.webhooks.add("other", WebhookSpec(url="https://example.com/", events=["*"]))
    await desk.finished()
    assert await told(desk, foreign) == []
    assert await desk.webhooks.list(PROJECT) == []
    for ask in (desk.webhooks.get, desk.webhooks.rotate, desk.webhooks.delete, desk.deliveries.add_test):
        with pytest.raises(Unknown):
            await ask(PROJECT, foreign.id)
    with pytest.raises(Unknown):
        await desk.webhooks.change(PROJECT, foreign.id, WebhookPatch(enabled=False))


async def test_a_project_has_a_bounded_number(desk: Desk) -> None:
    for _ in range(20):
        webhook = await registered(desk)
    with pytest.raises(Conflicting, match="20"):
        await registered(desk)
    await desk.webhooks.delete(PROJECT, webhook.id)
    await registered(desk)


async def test_pages_are_walked_by_status(desk: Desk) -> None:
    webhook = await registered(desk, "run.submitted")
    for _ in range(5):
        await desk.submit()
    for one in (await due(desk, webhook))[:3]:
        await desk.deliveries.delivered(one, TAKEN)
    first = await desk.deliveries.page(webhook.id, status="delivered", limit=2)
    rest = await desk.deliveries.page(
        webhook.id, status="delivered", limit=2, before=int(first.next_cursor or 0)
    )
    assert [len(first.data), len(rest.data), rest.next_cursor] == [2, 1, None]
    assert len((await desk.deliveries.page(webhook.id)).data) == 5


async def test_a_step_of_the_clock_moves_what_waits(desk: Desk) -> None:
    webhook = await registered(desk)
    await desk.finished()
    (one,) = await due(desk, webhook)
    await desk.deliveries.failed(one, REFUSED, next_us=desk.hands.now() + 60 * SECOND, patience_us=DAY_US)
    desk.hands.forward(3600)
    await Timers(desk.db).move(3600 * SECOND, Reading("boot", 0, 0))
    assert await due(desk, webhook) == []
    failing = (await desk.webhooks.get(PROJECT, webhook.id)).failing_since
    assert failing is not None
    desk.hands.forward(60)
    assert len(await due(desk, webhook)) == 1


async def test_retention_forgets_what_has_ended_and_what_was_deleted(tmp_path: Path) -> None:
    async with open_attic(tmp_path) as attic:
        desk = attic.desk
        webhook, deleted = await registered(desk), await registered(desk)
        for _ in range(3):
            await desk.finished()
        first, second, third = await due(desk, webhook)
        await desk.deliveries.delivered(first, TAKEN)
        await desk.deliveries.failed(second, REFUSED, next_us=None, patience_us=DAY_US)
        await desk.webhooks.delete(PROJECT, deleted.id)
        with pytest.raises(Unknown):
            await desk.webhooks.get(PROJECT, deleted.id)
        desk.hands.forward(10 * 24 * 3600)
        await attic.tidied(deliveries_days=20.0)
        assert await rows(desk, "webhooks") == 1
        assert await rows(desk, "webhook_deliveries") == 3
        await attic.tidied(deliveries_days=5.0)
        assert [one.id for one in (await desk.deliveries.page(webhook.id)).data] == [third.message_id]
        assert await rows(desk, "webhook_messages", "webhook_deliveries", "webhook_attempts") == 2
        await desk.finished()
        await attic.tidied(max_deliveries=1)
        assert await rows(desk, "webhook_messages", "webhook_deliveries") == 2
        assert (await desk.deliveries.page(webhook.id)).data[0].id != third.message_id
