"""Real git repositories, and real servers of them: git's own, a slow or broken line to it, and plain HTTP."""

import asyncio
import base64
import contextlib
import functools
import http.server
import os
import socket
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

READY_S = 30.0
_IDENTITY = {
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@b",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@b",
}
_ALONE = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}


def git(cwd: Path, *args: str) -> str:
    """Run git as nobody in particular, and return what it says."""
    mine = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    command = ["git", "-c", "init.defaultBranch=main", "-c", "gc.auto=0", *args]
    done = subprocess.run(
        command, cwd=cwd, env={**mine, **_IDENTITY, **_ALONE}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Repository:
    """A repository with a work tree."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        git(path, "init", "--quiet")

    def commit(self, **files: str) -> str:
        """Write files (``__`` in a name stands for a point), commit everything, and return the commit."""
        for name, text in files.items():
            (self.path / name.replace("__", ".")).write_text(text)
        git(self.path, "add", "--all")
        git(self.path, "commit", "--quiet", "--allow-empty", "--message", "x")
        return git(self.path, "rev-parse", "HEAD")

    def write(self, kind: str, content: bytes) -> str:
        """Write an object as it stands, and return its id."""
        command = ["git", "hash-object", "-t", kind, "-w", "--stdin"]
        done = subprocess.run(command, cwd=self.path, input=content, capture_output=True, check=True)
        return done.stdout.decode().strip()

    def git(self, *args: str) -> str:
        """Run git in it."""
        return git(self.path, *args)


@contextmanager
def serving(folder: Path) -> Iterator[int]:
    """Serve all repositories in a folder by git's own daemon, and return its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    command = ["git", "daemon", "--reuseaddr", "--export-all", f"--base-path={folder}"]
    command += ["--listen=127.0.0.1", f"--port={port}"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True) as daemon:
        try:
            _await_port(port, daemon)
            yield port
        finally:
            daemon.terminate()


class Line:
    """A line to a server: counts who calls, and holds back what comes from there while it is told to."""

    def __init__(self, port: int) -> None:
        self.calls = 0
        self._held_after = 0
        self._held_at = b""
        self.holding = asyncio.Event()
        self._there = port
        self._free = asyncio.Event()
        self._free.set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.port = 0

    def hold(self, after: int = 0, *, at: bytes = b"") -> None:
        """Hold back each answer after so many bytes, from the piece on that has something in it."""
        self._held_after, self._held_at = after, at
        self.holding.clear()
        self._free.clear()

    def release(self) -> None:
        """Let go."""
        self._free.set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Line"]:
        """Let others call."""
        server = await asyncio.start_server(self._call, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.calls += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        there, to = await asyncio.open_connection("127.0.0.1", self._there)
        with contextlib.suppress(OSError):
            await asyncio.gather(self._pass(reader, to, held=False), self._pass(there, writer, held=True))
        for side in (writer, to):
            side.close()

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, held: bool) -> None:
        passed = 0
        try:
            while piece := await source.read(4096):
                if held and passed >= self._held_after and self._held_at in piece:
                    if not self._free.is_set():
                        self.holding.set()
                    await self._free.wait()
                sink.write(piece)
                await sink.drain()
                passed += len(piece)
        finally:
            sink.close()


class _Files(http.server.SimpleHTTPRequestHandler):
    login: str | None = None
    heard: list[str | None]
    asked: Callable[[], None]

    def do_GET(self) -> None:
        type(self).asked()
        given = self.headers.get("Authorization")
        self.heard.append(given)
        if self.login is not None and given != f"Basic {base64.b64encode(self.login.encode()).decode()}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="sources"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        super().do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served_as_files(
    folder: Path, *, login: str | None = None, asked: Callable[[], None] = lambda: None
) -> Iterator[tuple[int, list[str | None]]]:
    """Serve a folder over plain HTTP; return port and the credentials of each request that came.

    ``asked`` is called for each, before it is answered.
    """
    heard: list[str | None] = []
    kind = type("Files", (_Files,), {"login": login, "heard": heard, "asked": staticmethod(asked)})
    handler = functools.partial(kind, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1], heard
        finally:
            server.shutdown()
            thread.join()


def _await_port(port: int, daemon: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        assert daemon.poll() is None, "git daemon has ended"
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.02)
    raise AssertionError("git daemon does not listen")
