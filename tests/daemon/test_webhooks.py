"""Webhooks of a real daemon: a run's events reach a receiver, and people can see and mend what did not."""

import json
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from runsd_sdk import AsyncRunsClient, Conflict, NotFound, RunsClient, Unprocessable
from runsd_sdk.webhook import DeliveryStatus

from runsd.faults import Step
from tests.conftest import Serve
from tests.daemon import command
from tests.daemon.harness import Daemon, eventually
from tests.webhooks.receiver import Receiver, receiving

ALLOWED = {"RUNSD_WEBHOOKS__ALLOW": "127.0.0.1"}


@pytest.fixture(scope="module")
def daemon(serve: Serve) -> Iterator[Daemon]:
    with serve(**ALLOWED) as daemon:
        yield daemon


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def test_a_run_is_told_of_by_a_signed_request(daemon: Daemon, receiver: Receiver) -> None:
    webhook = daemon.client.webhooks.create(receiver.url, events=["run.running", "run.finished:failed"])
    result = daemon.run("sh", "-c", "exit 3", labels={"fold": "1"}, env={"PASSWORD": "hush"})
    events = sorted((receiver.next().opened(webhook.secret) for _ in range(2)), key=lambda one: one.timestamp)
    assert [event.type for event in events] == ["run.running", "run.finished"]
    run = events[1].data.run
    assert run is not None
    as_it_is = result.wire()
    assert run.wire() == {name: as_it_is[name] for name in run.wire()}
    assert (run.id, run.exit_code, run.labels) == (result.id, 3, {"fold": "1"})
    daemon.run("true")
    assert receiver.next().opened(webhook.secret).type == "run.running"
    found = daemon.client.webhooks
    assert eventually(lambda: found.get(webhook.id).pending == 0)
    assert [one.type for one in found.deliveries(webhook.id, status="delivered").data] == [
        "run.running", "run.finished", "run.running",
    ]  # fmt: skip
    assert receiver.waiting == 0
    found.delete(webhook.id)
    with pytest.raises(NotFound):
        found.get(webhook.id)


def test_a_failure_is_shown_and_sent_again_by_hand(daemon: Daemon, receiver: Receiver) -> None:
    webhooks = daemon.client.webhooks
    webhook = webhooks.create(receiver.url, description="for the night shift")
    receiver.usual = 500
    test = webhooks.test(webhook.id)
    assert (test.type, test.status, test.attempts[0].status_code) == ("webhook.test", "failed", 500)
    daemon.run("true")
    request = [receiver.next() for _ in range(2)][1]
    assert eventually(lambda: webhooks.get(webhook.id).failing_since is not None)
    (waiting,) = webhooks.deliveries(webhook.id, status="pending").data
    assert waiting.next_attempt_at is not None and waiting.id == request.id
    receiver.usual = 204
    again = webhooks.redeliver(webhook.id, waiting.id)
    assert again.status is DeliveryStatus.DELIVERED
    # Its own second attempt may have come first.
    assert [one.status_code for one in again.attempts][:2] == [500, 204]
    repeated = receiver.next()
    assert (repeated.id, repeated.body) == (request.id, request.body)
    assert again.payload == json.loads(request.body)
    assert webhooks.get(webhook.id).failing_since is None
    secret = webhooks.rotate(webhook.id).secret
    assert webhooks.test(webhook.id).status == "delivered"
    rotated = receiver.next()
    assert rotated.opened(secret) == rotated.opened(webhook.secret)
    webhooks.update(webhook.id, enabled=False)
    with pytest.raises(Conflict, match="enable it"):
        webhooks.test(webhook.id)
    webhooks.delete(webhook.id)


async def test_the_asynchronous_client_does_the_same(daemon: Daemon, receiver: Receiver) -> None:
    async with AsyncRunsClient(f"unix://{daemon.socket}") as client:
        webhook = await client.webhooks.create(receiver.url, events=["*"])
        assert (await client.webhooks.test(webhook.id)).status == "delivered"
        request = receiver.next()
        event = client.webhooks.unwrap(request.body, request.headers, secret=webhook.secret or "")
        assert event.data.details == {"webhookId": webhook.id}
        assert [one.id for one in await client.webhooks.list()] == [webhook.id]
        assert (await client.webhooks.delivery(webhook.id, request.id)).status == "delivered"
        await client.webhooks.delete(webhook.id)


def test_no_webhook_leads_to_this_host_or_its_network(serve: Serve, receiver: Receiver) -> None:
    with serve() as daemon:
        webhooks = daemon.client.webhooks
        with pytest.raises(Unprocessable, match=r"address of this host.*webhooks\.allow"):
            webhooks.create(receiver.url)
        by_name = webhooks.create(receiver.url.replace("127.0.0.1", "localhost"))
        test = webhooks.test(by_name.id)
        assert test.status == "failed"
        assert "webhooks.allow" in (test.attempts[0].error or "")
        with pytest.raises(Unprocessable, match="link-local"):
            webhooks.update(by_name.id, url="http://169.254.169.254/latest/meta-data")
        assert receiver.waiting == 0


def test_the_command_line(daemon: Daemon, receiver: Receiver) -> None:
    made = json.loads(command.answer(daemon, "webhook", "create", receiver.url, "-e", "*", "--json"))
    id, secret = made["id"], made["secret"]
    receiver.usual = 503
    tested = command.runs(daemon, "webhook", "test", id)
    assert (tested.returncode, "answered 503" in tested.stdout) == (1, True)
    message = receiver.next().id
    receiver.usual = 204
    assert "delivered" in command.answer(daemon, "webhook", "redeliver", id, message)
    assert receiver.next().opened(secret).type == "webhook.test"
    assert message in command.answer(daemon, "webhook", "deliveries", id, "--status", "delivered")
    assert "disabled by its owner" in command.answer(daemon, "webhook", "edit", id, "--disable")
    listed = command.answer(daemon, "webhook", "ls")
    assert id in listed and "disabled" in listed and "whsec_" not in listed
    assert command.answer(daemon, "webhook", "rm", id) == f"{id}\n"


STEPS = (Step.CHANGE_WEBHOOK, Step.ASK_DELIVERY, Step.SEND_WEBHOOK, Step.NOTE_DELIVERY)
FORGETTING = (Step.FORGET_DELIVERIES,)


def points(*steps: Step) -> list[str]:
    return [f"{when}:{step}" for step in steps for when in ("before", "after")]


def test_killed_anywhere_every_event_is_told_and_under_one_id(serve: Serve, receiver: Receiver) -> None:
    with (
        serve(**ALLOWED) as daemon,
        RunsClient(f"unix://{daemon.socket}", patience_seconds=300) as client,
        ThreadPoolExecutor(4) as owners,
    ):
        webhook = client.webhooks.create(receiver.url, events=["run.submitted", "run.finished"])
        path, runs = f"/v1/webhooks/{webhook.id}", []
        for point in points(*STEPS):  # each daemon takes up what the last one has left
            daemon.ensure_down()
            match Step(point.partition(":")[2]):
                case Step.CHANGE_WEBHOOK:
                    daemon.start(RUNSD_FAULT=point)
                    daemon.asked_to_death("PATCH", path, json={"description": point})
                case Step.ASK_DELIVERY:
                    daemon.start(RUNSD_FAULT=point)
                    daemon.asked_to_death("POST", f"{path}/test")
                case _:
                    daemon.start_doomed(point)
                    runs.append(owners.submit(client.create_and_wait, **daemon.spec("true")))
                    daemon.await_death()
        daemon.start()
        ended = [one.result(60) for one in runs]
        webhooks = daemon.client.webhooks
        assert eventually(lambda: webhooks.get(webhook.id).pending == 0, within_s=60)
        assert webhooks.get(webhook.id).description == f"after:{Step.CHANGE_WEBHOOK}"
        told: dict[tuple[str, str | None], set[str]] = {}
        while receiver.waiting:
            request = receiver.next()
            event = request.opened(webhook.secret)
            told.setdefault((event.type, event.data.run and event.data.run.id), set()).add(request.id)
        types = ("run.submitted", "run.finished")
        of_runs = {(type, run.id) for run in ended for type in types}
        assert told.keys() == of_runs | {("webhook.test", None)}
        assert all(len(ids) == 1 for ids in told.values())

        daemon.kill9()
        with closing(sqlite3.connect(daemon.directory / "data" / "runsd.db")) as db, db:
            db.execute("update webhook_deliveries set ended_us = 1")
        for point in points(*FORGETTING):  # the second finds what the first has left
            daemon.start_doomed(point)
            daemon.await_death()
        daemon.start()
        assert webhooks.deliveries(webhook.id).data == []
