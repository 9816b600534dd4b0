"""Messages on their way to real receivers: who holds up whom, what is tried again, and where none may go."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from runsd_sdk.signature import verify
from runsd_sdk.webhook import Delivery, Webhook, WebhookSpec

from runsd.metrics import Metrics
from runsd.signals import Signals
from runsd.webhooks import deliverer
from runsd.webhooks.backoff import PATIENCE_S, PAUSES_S, pause_s
from runsd.webhooks.deliverer import Deliverer
from runsd.webhooks.sender import Sender
from tests.store.desk import PROJECT, Desk, open_desk
from tests.webhooks.receiver import Receiver, never, receiving, says

LOOPBACK = [ip_network("127.0.0.0/8"), ip_network("::1/128")]
HEADERS = {"webhook-id": "msg_1"}


class Post:
    """A store and a deliverer at work on it."""

    def __init__(self, desk: Desk, signals: Signals) -> None:
        self.desk = desk
        self.signals = signals

    async def to(self, receiver: Receiver, *events: str) -> Webhook:
        spec = WebhookSpec(url=receiver.url, events=list(events) or ["run.finished"])
        webhook = await self.desk.webhooks.add(PROJECT, spec)
        self.signals.notify("webhooks")
        return webhook

    async def finish(self, count: int = 1) -> None:
        for _ in range(count):
            await self.desk.finished()
        self.signals.notify("events")

    async def until(self, webhook: Webhook, what: Callable[[Delivery], bool], count: int = 1) -> None:
        """Return when so many deliveries are so."""
        async with asyncio.timeout(60):
            while sum(map(what, (await self.desk.deliveries.page(webhook.id, limit=200)).data)) < count:
                await asyncio.sleep(0.02)


@pytest.fixture
def one() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def other() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@asynccontextmanager
async def posting(path: Path, **settings: Any) -> AsyncIterator[Post]:
    async with open_desk(path) as desk:
        sender, signals = Sender(**{"allow": LOOPBACK, **settings}), Signals()
        at_work = Deliverer(
            desk.deliveries, sender, desk.keyring, metrics=Metrics(), signals=signals, clock=desk.hands.now
        )
        serving = asyncio.create_task(at_work.serve())
        try:
            yield Post(desk, signals)
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    async with posting(tmp_path / "runsd.db") as post:
        yield post


async def test_a_message_arrives_signed_and_once(post: Post, one: Receiver) -> None:
    webhook = await post.to(one)
    await post.finish(3)
    await post.until(webhook, lambda delivery: delivery.status == "delivered", 3)
    requests = [one.next() for _ in range(3)]
    for request in requests:
        sent = float(request.headers["webhook-timestamp"])  # by the clock of this store, which stands still
        assert verify(request.body, request.headers, secret=webhook.secret or "", now=sent) == request.id
    assert {request.id for request in requests} == {
        each.id for each in (await post.desk.deliveries.page(webhook.id)).data
    }
    assert one.waiting == 0
    head = requests[0].headers
    assert head["content-type"] == "application/json"
    assert head["user-agent"].startswith("runsd/")


async def test_one_that_gives_no_answer_holds_up_no_other_and_gets_few_at_a_time(
    tmp_path: Path, one: Receiver, other: Receiver
) -> None:
    async with posting(tmp_path / "runsd.db", answer_s=3600) as post:
        one.acts.extend([never] * 50)
        silent, quick = await post.to(one), await post.to(other)
        await post.finish(30)
        await post.until(quick, lambda delivery: delivery.status == "delivered", 30)
        assert one.waiting == deliverer._OF_ONE
        assert (await post.desk.webhooks.get(PROJECT, silent.id)).pending == 30


async def test_one_in_trouble_gets_one_at_a_time_until_it_answers(tmp_path: Path, one: Receiver) -> None:
    async with posting(tmp_path / "runsd.db") as post:
        webhook = await post.to(one)
        one.acts.append(says(500))
        await post.finish()
        await post.until(webhook, lambda delivery: bool(delivery.attempts))
        one.next()
        go_on, held = asyncio.Event(), 0

        async def hold(_: web.Request) -> web.Response:
            nonlocal held
            held += 1
            while not go_on.is_set():
                await asyncio.sleep(0.01)
            return web.Response()

        one.acts.extend([hold] * 10)
        await post.finish(6)
        await asyncio.to_thread(one.next)
        await post.finish()  # another round of the deliverer, which finds it busy
        await asyncio.sleep(0.2)
        assert held == 1
        go_on.set()
        await post.until(webhook, lambda delivery: delivery.status == "delivered", 7)


async def test_what_fails_is_sent_again_under_the_same_id(post: Post, one: Receiver) -> None:
    webhook = await post.to(one)
    one.acts.extend([says(500), says(429, Retry_After="90"), says(307, Location=one.url)])
    await post.finish()
    for tried in range(1, 4):
        await post.until(webhook, lambda delivery, n=tried: len(delivery.attempts) == n)  # type: ignore[misc]
        post.desk.hands.forward(3700)
        post.signals.notify("webhooks")
    await post.until(webhook, lambda delivery: delivery.status == "delivered")
    requests = [one.next() for _ in range(4)]
    assert len({(request.id, request.body) for request in requests}) == 1
    assert one.waiting == 0  # a redirect is not followed
    (delivery,) = (await post.desk.deliveries.page(webhook.id)).data
    assert [each.status_code for each in delivery.attempts] == [500, 429, 307, 204]
    assert "redirects are not followed" in (delivery.attempts[2].error or "")
    assert [each.error for each in delivery.attempts][3] is None


async def test_a_receiver_that_is_gone_disables_its_webhook(post: Post, one: Receiver) -> None:
    webhook = await post.to(one)
    one.acts.append(says(410))
    await post.finish()
    await post.until(webhook, lambda delivery: bool(delivery.attempts))
    assert not (await post.desk.webhooks.get(PROJECT, webhook.id)).enabled


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x" * 65_536)


async def much(_: web.Request) -> web.StreamResponse:
    return web.Response(headers={"X-Much": "x" * 10_000})


async def test_no_answer_is_read_for_long_or_held(one: Receiver) -> None:
    sender = Sender(allow=LOOPBACK, answer_s=0.3)
    one.acts.extend([never, endless, much])
    answers = [await sender.send(one.url, b"{}", HEADERS) for _ in range(3)]
    assert answers[0].error == "no answer within 0.3 s"
    assert (answers[1].status_code, answers[1].error) == (200, None)
    assert "broke off" in (answers[2].error or "")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:{port}/", "an address of this host"),
        ("http://localhost:{port}/", "an address of this host"),
        ("http://2130706433:{port}/", "an address of this host"),
        ("http://0x7f.1:{port}/", "an address of this host"),
        ("http://[::1]:{port}/", "an address of this host"),
        ("http://[::ffff:127.0.0.1]:{port}/", "an address of this host"),
        ("http://0:{port}/", "an address of this host"),
        ("http://169.254.169.254/latest/", "a link-local address"),
        ("http://10.0.0.1/", "a private address"),
        ("http://nowhere.invalid/", "cannot find nowhere.invalid"),
    ],
)
async def test_nothing_is_sent_to_this_host_or_its_network(one: Receiver, url: str, said: str) -> None:
    sender = Sender(allow=[])
    answer = await sender.send(url.format(port=one.url.split(":")[2].split("/")[0]), b"{}", HEADERS)
    assert said in (answer.error or "") and answer.status_code is None
    assert one.waiting == 0


async def test_a_name_is_looked_up_once_and_its_address_is_what_is_connected_to(
    one: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that answers 127.0.0.1, which is allowed here, and then 127.0.0.2, which is not."""
    answers, asked, real = ["127.0.0.1", "127.0.0.2"], [], socket.getaddrinfo

    def lying(host: Any, port: Any, *args: Any, **more: Any) -> Any:
        if host != "rebinding.example":
            return real(host, port, *args, **more)
        asked.append(host)
        return real(answers.pop(0), port, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", lying)
    sender = Sender(allow=[ip_network("127.0.0.1/32")])
    url = one.url.replace("127.0.0.1", "rebinding.example")
    first = await sender.send(url, b"{}", HEADERS)
    assert asked == ["rebinding.example"]
    second = await sender.send(url, b"{}", HEADERS)
    assert (first.status_code, first.error) == (204, None)
    assert one.next().headers["host"].startswith("rebinding.example:")
    assert "an address of this host" in (second.error or "")


def self_signed(directory: Path) -> ssl.SSLContext:
    """Return what a server has whose certificate nobody vouches for."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    made = x509.CertificateBuilder().subject_name(who).issuer_name(who).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = directory / "server.pem"
    file.write_bytes(private + made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    return context


async def test_a_server_that_cannot_prove_who_it_is_is_sent_nothing(tmp_path: Path) -> None:
    with receiving(self_signed(tmp_path)) as receiver:
        answer = await Sender(allow=LOOPBACK).send(receiver.url, b"{}", HEADERS)
        assert (answer.status_code, receiver.waiting) == (None, 0)
        assert "certificate" in (answer.error or "")


async def test_nobody_answers_is_said_as_it_is() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        sender = Sender(allow=LOOPBACK)
        answer = await sender.send(f"http://127.0.0.1:{closed.getsockname()[1]}/", b"{}", HEADERS)
    assert "cannot connect" in (answer.error or "")


async def test_without_a_webhook_nobody_listens_to_events(post: Post, one: Receiver) -> None:
    async def until(*, listening: bool) -> None:
        async with asyncio.timeout(60):
            while "webhooks" not in (topics := post.signals._listeners) or ("events" in topics) != listening:
                await asyncio.sleep(0.01)

    await until(listening=False)
    webhook = await post.to(one)
    await post.finish()
    await post.until(webhook, lambda delivery: delivery.status == "delivered")
    await until(listening=True)
    await post.desk.webhooks.delete(PROJECT, webhook.id)
    post.signals.notify("webhooks")
    await until(listening=False)


def test_the_pauses_grow_and_end_after_a_day() -> None:
    pauses = [pause_s(tries, jitter=0) for tries in range(1, len(PAUSES_S) + 1)]
    assert pauses == sorted(PAUSES_S)
    assert sum(PAUSES_S) >= PATIENCE_S
    assert sum(PAUSES_S) * 1.1 < 1.2 * PATIENCE_S
    assert pause_s(len(PAUSES_S) + 1, jitter=0) is None
    assert pause_s(1, jitter=1) == pytest.approx(5.5)
    assert [pause_s(1, jitter=0, wanted_s=wanted) for wanted in (60, 1e6)] == [60, 3600]
