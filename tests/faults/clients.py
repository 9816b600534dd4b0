"""Clients without manners: they leave in the middle of everything, read slowly, or never read at all."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from random import Random

_HOST = b"Host: runsd\r\n"
_AT_ONCE = 100
_HEARD_S = 0.02
# What is sent before the client leaves; {run} is the id of a run.
_WAYS = [
    b"",
    b"\x16\x03\x01\x00\xff\xff",
    b"GET /v1/runs HT",
    b"GET /v1/runs?limit=100 HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"POST /v1/runs HTTP/1.1\r\n" + _HOST + b'Content-Length: 500\r\n\r\n{"image": "half',
    b"POST /v1/runs HTTP/1.1\r\n" + _HOST + b"Transfer-Encoding: chunked\r\n\r\nff\r\n{",
    b"GET /v1/runs/{run}/wait?timeoutSeconds=55 HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"GET /v1/runs/{run}/logs?follow=true HTTP/1.1\r\n" + _HOST + b"Accept: text/plain\r\n\r\n",
    b"GET /v1/runs/{run}/logs?follow=true HTTP/1.1\r\n" + _HOST + b"Accept: text/event-stream\r\n\r\n",
    b"GET /v1/runs/{run}/result HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"GET /v1/events HTTP/1.1\r\n" + _HOST + b"Accept: text/event-stream\r\n\r\n",
]


def leave(path: Path, run_id: str, random: Random, *, count: int) -> None:
    """Open so many connections, a hundred at once, and leave each in the middle of something."""
    for _ in range(0, count, _AT_ONCE):
        with ExitStack() as stack:
            visitors = [stack.enter_context(visiting(path, way, run_id)) for way in _chosen(random)]
            for visitor in random.sample(visitors, 5):
                _hear(visitor)
            random.shuffle(visitors)
            for visitor in visitors:
                visitor.close()


@contextmanager
def visiting(path: Path, request: bytes, run_id: str) -> Iterator[socket.socket]:
    """Connect and say something."""
    with closing(socket.socket(socket.AF_UNIX)) as visitor:
        visitor.settimeout(30)
        visitor.connect(str(path))
        visitor.sendall(request.replace(b"{run}", run_id.encode()))
        yield visitor


def follow(path: Path, run_id: str) -> "ExitStack":
    """Follow a log as text and read none of it; close what is returned."""
    stack = ExitStack()
    stack.enter_context(visiting(path, _WAYS[7], run_id))
    return stack


def read_slowly(path: Path, run_id: str, *, pause_s: float) -> bytes:
    """Follow a log as text to its end, a few bytes at a time; return what came, head and chunk sizes too."""
    request = _WAYS[7].replace(b"HTTP/1.1", b"HTTP/1.0")  # the body is then as it is, up to the end
    pieces = []
    with visiting(path, request, run_id) as reader:
        while piece := reader.recv(16 * 1024):
            pieces.append(piece)
            time.sleep(pause_s)  # slowness is what is tested
    return b"".join(pieces).partition(b"\r\n\r\n")[2]


def _chosen(random: Random) -> list[bytes]:
    return [random.choice(_WAYS) for _ in range(_AT_ONCE)]


def _hear(visitor: socket.socket) -> None:
    """Wait a moment for the beginning of an answer."""
    visitor.settimeout(_HEARD_S)
    try:
        visitor.recv(64)
    except (TimeoutError, ConnectionError):
        return
