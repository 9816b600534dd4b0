"""A receiver of webhooks: a real HTTP server on loopback, in a thread, that answers as a test tells it to."""

import asyncio
import queue
import ssl
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web
from runsd_sdk import WebhookEvent, unwrap

Act = Callable[[web.Request], Awaitable[web.StreamResponse]]
PATIENCE_S = 60


@dataclass(frozen=True, slots=True)
class Request:
    """A request that has come in."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """The id of the message."""
        return self.headers["webhook-id"]

    def opened(self, secret: str | None) -> WebhookEvent:
        """Return what it has brought, if its signature is right."""
        assert secret is not None
        return unwrap(self.body, self.headers, secret=secret)


@dataclass
class Receiver:
    """Takes requests, the next act for each; 204 when there is none."""

    url: str = ""
    acts: deque[Act] = field(default_factory=deque)
    usual: int = 204
    _seen: "queue.Queue[Request]" = field(default_factory=queue.Queue)

    def next(self, within_s: float = PATIENCE_S) -> Request:
        """Return the next request; it may have come in already."""
        return self._seen.get(timeout=within_s)

    @property
    def waiting(self) -> int:
        """How many requests have come in that nobody has looked at."""
        return self._seen.qsize()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Take one request."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        self._seen.put(Request(request.path, headers, await request.read()))
        return await self.acts.popleft()(request) if self.acts else web.Response(status=self.usual)


def says(status: int, **headers: str) -> Act:
    """Answer with a status."""

    async def act(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return act


async def never(_: web.Request) -> web.StreamResponse:
    """Give no answer for as long as the sender waits."""
    await asyncio.Event().wait()
    raise AssertionError


@contextmanager
def receiving(tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """Lend a receiver."""
    receiver = Receiver()
    ready, loop = threading.Event(), asyncio.new_event_loop()
    done = asyncio.Event()

    async def main() -> None:
        app = web.Application()
        app.router.add_post("/{path:.*}", receiver.serve)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        scheme = "http" if tls is None else "https"
        receiver.url = f"{scheme}://127.0.0.1:{runner.addresses[0][1]}/hooks"
        ready.set()
        await done.wait()
        await runner.cleanup()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(main())

    thread = threading.Thread(target=run, name="receiver")
    thread.start()
    try:
        assert ready.wait(PATIENCE_S)
        yield receiver
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
