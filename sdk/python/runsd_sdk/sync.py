"""The driver that blocks: takes a flow's steps with ``httpx2.Client``."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2

from runsd_sdk import flows, http
from runsd_sdk.address import Address
from runsd_sdk.calls import SSE, Call, Feed
from runsd_sdk.errors import RunsdError
from runsd_sdk.link import Link
from runsd_sdk.steps import Alone, Aside, Emit, Flow, Frame, Open, Outcome, Pause, Read, Step

T = TypeVar("T")


class SyncDriver:
    """One connection pool. Threads may share it."""

    def __init__(self, address: Address, link: Link) -> None:
        self.address = address
        self.link = link
        self._alone = threading.Lock()
        transport = httpx2.HTTPTransport(**http.transport_options(address))
        self.http = httpx2.Client(transport=transport, **http.client_options(address))

    def ask(self, call: Call[T]) -> T:
        """Make one call."""
        return self.run(flows.answer(call, link=self.link))

    def run(self, flow: Flow[T]) -> T:
        """Take a flow's steps to its one answer."""
        with _OpenStream(self) as stream:
            try:
                step = next(flow)
                while True:
                    step = self._attempt(step, stream).into(flow)
            except StopIteration as stop:
                answer: T = stop.value
                return answer

    def iterate(self, flow: Flow[None]) -> Iterator[Any]:
        """Take a flow's steps, and yield what it emits."""
        with _OpenStream(self) as stream:
            try:
                step = next(flow)
                while True:
                    if isinstance(step, Emit):
                        yield step.value
                    step = self._attempt(step, stream).into(flow)
            except StopIteration:
                return

    def _attempt(self, step: Step, stream: "_OpenStream") -> Outcome:
        try:
            return Outcome(self._take(step, stream))
        except RunsdError as error:
            return Outcome(error=error)

    def _take(self, step: Step, stream: "_OpenStream") -> Any:
        match step:
            case Call():
                return self._call(step)
            case Pause(seconds):
                time.sleep(seconds)
            case Open(feed):
                stream.open(feed)
            case Read():
                return stream.read()
            case Aside(work):
                return work()
            case Alone(flow):
                with self._alone:
                    return self.run(flow)
        return None

    def _call(self, call: Call[T]) -> T:
        options = http.call_options(call)
        if call.body is not None and not isinstance(call.body, bytes):
            options["content"] = call.body.pieces()
        try:
            response = self.http.request(**options)
        except http.BROKEN as error:
            raise http.unreachable(error, self.address) from error
        self.link.reached = True
        return http.parsed(call, response)


class _OpenStream:
    """The stream that a flow has open, if any."""

    def __init__(self, driver: SyncDriver) -> None:
        self._driver = driver
        self._stack = ExitStack()
        self._frames: Iterator[Frame] = iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def open(self, feed: Feed[Any]) -> None:
        self._stack.close()
        try:
            response = self._stack.enter_context(self._driver.http.stream(**http.feed_options(feed)))
            self._driver.link.reached = True
            if not response.is_success:
                response.read()
        except http.BROKEN as error:
            raise http.unreachable(error, self._driver.address) from error
        http.expect_success(response)
        self._frames = _frames(response, feed.accept)

    def read(self) -> Frame | None:
        try:
            return next(self._frames, None)
        except http.BROKEN as error:
            raise http.unreachable(error, self._driver.address) from error


def _frames(response: httpx2.Response, accept: str) -> Iterator[Frame]:
    if accept == SSE:
        for event in httpx2.EventSource(response, max_event_size=None):
            yield http.event_frame(event)
        return
    decode = http.decoder(accept)
    for chunk in response.iter_raw():
        yield from decode(chunk)
