"""The disk's free space: watched where runsd and the Engine write, so that work stops before it is full.

With less than ``retention.min_free_bytes`` no run is accepted or started, and no task or secret saved;
what runs goes on, and what is asked is answered. It ends by itself when there is space again. A commit that
the disk refused counts at once.
"""

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog
from runsd_sdk.quantity import format_bytes

from runsd.errors import NotNow
from runsd.signals import Signals, woken
from runsd.supervise.health import EngineMonitor

log = structlog.get_logger()

_EVERY_S = 3.0
# After a refused commit nothing new is taken for so long, even if there seems to be space: it may be a quota.
_REFUSAL_COUNTS_S = 5.0
_UNIX = "unix://"
_WHOSE = {"data": "runsd's state and logs", "engine": "the Docker Engine's images and containers"}


@dataclass(frozen=True, slots=True)
class Room:
    """What a file system has left for those who are not root; ``place`` is ``data`` or ``engine``."""

    place: str
    path: Path
    free_bytes: int


def scarce(room: Room, wanted_bytes: int, *, was: bool) -> bool:
    """Say whether a place has too little; one that had too little has enough only with a tenth more."""
    return room.free_bytes < (wanted_bytes + wanted_bytes // 10 if was else wanted_bytes)


def places_on_disk(data_dir: Path, monitor: EngineMonitor, engine_host: str) -> dict[str, Path]:
    """Return where runsd and, if it is on this host, the Engine write."""
    found = {"data": data_dir}
    facts = monitor.facts
    if engine_host.startswith(_UNIX) and facts is not None and (root := Path(facts.root_dir)).is_dir():
        found["engine"] = root
    return found


class DiskWatch:
    """How much space there is in these places, ``data`` among them, and whether it is enough."""

    def __init__(
        self, places: Callable[[], Mapping[str, Path]], *, min_free_bytes: int, signals: Signals
    ) -> None:
        self._places = places
        self.min_free_bytes = min_free_bytes
        self._signals = signals
        self._refused_at: float | None = None
        self.rooms: list[Room] = []
        self.short: frozenset[str] = frozenset()
        self.message: str | None = None

    @property
    def enough(self) -> bool:
        """Whether runs may be accepted and started."""
        return self.message is None

    def check(self, wanted: str = "accept a run") -> None:
        """Raise NotNow, with the reason and the remedy, unless there is enough for what is ``wanted``."""
        if self.message is not None:
            raise NotNow(f"cannot {wanted} now: {self.message}", code="disk")

    def refused(self) -> None:
        """Note that the disk refused a commit."""
        self._refused_at = time.monotonic()
        self._judge()
        self._signals.notify("disk.look")

    async def serve(self) -> None:
        """Look for as long as the daemon lives."""
        with self._signals.listening("disk.look", "engine") as doubted:
            while True:
                await self.look()
                await woken(doubted, _EVERY_S)

    async def look(self) -> None:
        """Look once; in a thread, for a file system that hangs must hang nobody."""
        self.rooms = await asyncio.to_thread(self._measure)
        self._judge()

    def _measure(self) -> list[Room]:
        rooms = []
        for place, path in self._places().items():
            try:
                disk = os.statvfs(path)
            except OSError as failure:
                log.warning("disk.not_measured", place=place, path=str(path), error=str(failure))
            else:
                rooms.append(Room(place, path, disk.f_bavail * disk.f_frsize))
        return rooms

    def _judge(self) -> None:
        before = self.message
        self.short = frozenset(
            room.place
            for room in self.rooms
            if scarce(room, self.min_free_bytes, was=room.place in self.short)
        )
        self.message = self._said()
        if before is None and self.message is not None:
            log.warning("disk.scarce", message=self.message)
        elif before is not None and self.message is None:
            log.info("disk.enough", free={room.place: room.free_bytes for room in self.rooms})
        if (before is None) != (self.message is None):
            self._signals.notify("queue", "disk")

    def _said(self) -> str | None:
        for room in self.rooms:
            if room.place in self.short:
                return (
                    f"only {format_bytes(room.free_bytes)} are free at {room.path} ({_WHOSE[room.place]}),"
                    f" {format_bytes(self.min_free_bytes)} are wanted (retention.min_free_bytes);"
                    " free some space there, and it goes on by itself"
                )
        if self._refused_at is not None and time.monotonic() - self._refused_at < _REFUSAL_COUNTS_S:
            return (
                f"the disk refused to store something in {self._places()['data']} ({_WHOSE['data']});"
                " free some space there or raise its quota, and it goes on by itself"
            )
        return None
