"""A real HTTP server on a Unix socket that answers, or breaks, as a test tells it to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from runsd_sdk.run import LogEntry

Act = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """Takes the next act for each request, and keeps the requests' heads."""

    socket: str
    acts: list[Act]
    heads: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = [line for line in head.split("\r\n") if line.lower().startswith("content-length:")]
                if length:
                    await reader.readexactly(int(length[0].split(":")[1]))
                self.heads.append(head)
                await self.acts.pop(0)(writer)
                await writer.drain()
                if writer.is_closing():
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    def header(self, name: str) -> list[str]:
        lines = [line.partition(": ") for head in self.heads for line in head.split("\r\n")]
        return [value for key, _, value in lines if key.lower() == name.lower()]


@asynccontextmanager
async def serving(socket: Path, *acts: Act) -> AsyncIterator[Server]:
    server = Server(str(socket), list(acts))
    listening = await asyncio.start_unix_server(server.serve, socket)
    async with listening:
        yield server


def says(body: str, *, status: int = 200, kind: str = "application/json") -> Act:
    data = body.encode()

    async def act(writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n\r\n"
        writer.write(head.encode() + data)

    return act


def streams(kind: str, *parts: str, whole: bool = True) -> Act:
    async def act(writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(head.encode())
        for part in parts:
            data = part.encode()
            writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        if whole:
            writer.write(b"0\r\n\r\n")
        else:
            writer.close()

    return act


async def breaks(writer: asyncio.StreamWriter) -> None:
    writer.close()


def event(entry: LogEntry) -> str:
    return f"id: {entry.cursor}\nevent: log\ndata: {entry.model_dump_json(by_alias=True)}\n\n"
