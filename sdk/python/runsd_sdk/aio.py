"""The driver that awaits: takes a flow's steps with ``httpx2.AsyncClient``."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2

from runsd_sdk import flows, http
from runsd_sdk.address import Address
from runsd_sdk.calls import SSE, Call, Feed, Pieces
from runsd_sdk.errors import RunsdError
from runsd_sdk.link import Link
from runsd_sdk.steps import Alone, Aside, Emit, Flow, Frame, Open, Outcome, Pause, Read, Step

T = TypeVar("T")


class AsyncDriver:
    """One connection pool, of one event loop. Tasks may share it."""

    def __init__(self, address: Address, link: Link) -> None:
        self.address = address
        self.link = link
        self._alone = asyncio.Lock()
        transport = httpx2.AsyncHTTPTransport(**http.transport_options(address))
        self.http = httpx2.AsyncClient(transport=transport, **http.client_options(address))

    async def ask(self, call: Call[T]) -> T:
        """Make one call."""
        return await self.run(flows.answer(call, link=self.link))

    async def run(self, flow: Flow[T]) -> T:
        """Take a flow's steps to its one answer."""
        async with _OpenStream(self) as stream:
            try:
                step = next(flow)
                while True:
                    step = (await self._attempt(step, stream)).into(flow)
            except StopIteration as stop:
                answer: T = stop.value
                return answer

    async def iterate(self, flow: Flow[None]) -> AsyncGenerator[Any, None]:
        """Take a flow's steps, and yield what it emits."""
        async with _OpenStream(self) as stream:
            try:
                step = next(flow)
                while True:
                    if isinstance(step, Emit):
                        yield step.value
                    step = (await self._attempt(step, stream)).into(flow)
            except StopIteration:
                return

    async def _attempt(self, step: Step, stream: "_OpenStream") -> Outcome:
        try:
            return Outcome(await self._take(step, stream))
        except RunsdError as error:
            return Outcome(error=error)

    async def _take(self, step: Step, stream: "_OpenStream") -> Any:
        match step:
            case Call():
                return await self._call(step)
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Open(feed):
                await stream.open(feed)
            case Read():
                return await stream.read()
            case Aside(work):
                return await asyncio.to_thread(work)
            case Alone(flow):
                async with self._alone:
                    return await self.run(flow)
        return None

    async def _call(self, call: Call[T]) -> T:
        options = http.call_options(call)
        if call.body is not None and not isinstance(call.body, bytes):
            options["content"] = _pieces(call.body)
        try:
            response = await self.http.request(**options)
        except http.BROKEN as error:
            raise http.unreachable(error, self.address) from error
        self.link.reached = True
        return http.parsed(call, response)


class _OpenStream:
    """The stream that a flow has open, if any."""

    def __init__(self, driver: AsyncDriver) -> None:
        self._driver = driver
        self._stack = AsyncExitStack()
        self._frames: AsyncIterator[Frame] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def open(self, feed: Feed[Any]) -> None:
        await self._stack.aclose()
        try:
            response = await self._stack.enter_async_context(
                self._driver.http.stream(**http.feed_options(feed))
            )
            self._driver.link.reached = True
            if not response.is_success:
                await response.aread()
        except http.BROKEN as error:
            raise http.unreachable(error, self._driver.address) from error
        http.expect_success(response)
        self._frames = _frames(response, feed.accept)

    async def read(self) -> Frame | None:
        if self._frames is None:
            return None
        try:
            return await anext(self._frames, None)
        except http.BROKEN as error:
            raise http.unreachable(error, self._driver.address) from error


async def _pieces(body: Pieces) -> AsyncIterator[bytes]:
    pieces = body.pieces()
    while piece := await asyncio.to_thread(next, pieces, b""):
        yield piece


async def _frames(response: httpx2.Response, accept: str) -> AsyncIterator[Frame]:
    if accept == SSE:
        async for event in httpx2.EventSource(response, max_event_size=None):
            yield http.event_frame(event)
        return
    decode = http.decoder(accept)
    async for chunk in response.aiter_raw():
        for frame in decode(chunk):
            yield frame
