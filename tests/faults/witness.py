"""What the Engine itself knew of every container, asked before it was removed: the truth to compare with."""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

from tests import leaks
from tests.daemon.harness import engine_instant

# Not there, or half removed (409: dead or marked for removal): then it was seen before.
_TOO_LATE = (404, 409)
_TIMEOUT = aiohttp.ClientTimeout(total=120)
_STREAMS = {1: "stdout", 2: "stderr"}


@dataclass(frozen=True, slots=True)
class Container:
    """The Engine's record of a container, and its own log of what that wrote to each stream."""

    record: Mapping[str, Any]
    output: Mapping[str, bytes]

    @property
    def state(self) -> Mapping[str, Any]:
        """How it ended."""
        state: Mapping[str, Any] = self.record["State"]
        return state

    @property
    def exit_code(self) -> int:
        """Its exit code, or what the Engine made of a start that failed."""
        return int(self.state["ExitCode"])

    @property
    def started_at(self) -> datetime | None:
        """When it started, to the microsecond below; None if it never did."""
        return _instant(self.state["StartedAt"])

    @property
    def finished_at(self) -> datetime | None:
        """When it ended, to the microsecond below."""
        return _instant(self.state["FinishedAt"])

    @property
    def ran(self) -> bool:
        """Whether its program was started, though the Engine may not know when."""
        return bool(self.state["Running"]) or self.started_at is not None or self.finished_at is not None


class Witness:
    """The records of all containers by name and id, and how often each was made and started."""

    def __init__(self, engine_socket: Path) -> None:
        self.containers: defaultdict[str, dict[str, Container]] = defaultdict(dict)
        self.creates: Counter[str] = Counter()
        self.starts: Counter[str] = Counter()
        self._engine_socket = engine_socket

    def created(self, name: str, answer: bytes) -> None:
        """Note the answer to a create."""
        self.creates[name] += _status(answer) == 201

    def started(self, container: str, answer: bytes) -> None:
        """Note the answer to a start; 304 says that it was running already."""
        self.starts[container] += _status(answer) == 204

    async def look(self, container: str) -> None:
        """Ask the Engine for all it knows of a container; one that is not there has been seen before."""
        async with self._session() as session:
            async with session.get(f"/containers/{container}/json") as answer:
                if answer.status in _TOO_LATE:
                    return
                answer.raise_for_status()
                record = await answer.json()
            if leaks.SANDBOX in (record["Config"]["Labels"] or {}):
                return  # nobody's run, and without a log
            both = {"stdout": "1", "stderr": "1"}
            async with session.get(f"/containers/{record['Id']}/logs", params=both) as answer:
                if answer.status in _TOO_LATE:
                    return
                answer.raise_for_status()
                output = await asyncio.to_thread(_streams, await answer.read())
        self.containers[record["Name"].removeprefix("/")][record["Id"]] = Container(record, output)

    async def sweep(self, label: str) -> None:
        """Look at every container with a label (``key=value``)."""
        query = {"all": "1", "filters": json.dumps({"label": [label]})}
        async with self._session() as session, session.get("/containers/json", params=query) as answer:
            answer.raise_for_status()
            listed = await answer.json()
        for found in listed:
            await self.look(found["Id"])

    def _session(self) -> aiohttp.ClientSession:
        connector = aiohttp.UnixConnector(str(self._engine_socket), force_close=True)
        return aiohttp.ClientSession("http://engine", connector=connector, timeout=_TIMEOUT)


def _instant(text: str) -> datetime | None:
    return None if text.startswith("0001-") else engine_instant(text)


def _status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


def _streams(frames: bytes) -> dict[str, bytes]:
    """Part frames (stream, three zeros, length, bytes) into streams."""
    parts: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
    at = 0
    while at < len(frames):
        size = int.from_bytes(frames[at + 4 : at + 8], "big")
        parts[_STREAMS[frames[at]]].append(frames[at + 8 : at + 8 + size])
        at += 8 + size
    return {stream: b"".join(pieces) for stream, pieces in parts.items()}
