"""The disk's free space: too little stops new runs, enough and a little more lets them go on."""

import os
from pathlib import Path

import pytest

from runsd.errors import NotNow
from runsd.signals import Signals
from runsd.supervise.disk import DiskWatch, Room, scarce

MIB = 1024**2
EVERYTHING = 2**60


def watch(path: Path, wanted: int, signals: Signals | None = None) -> DiskWatch:
    return DiskWatch(lambda: {"data": path}, min_free_bytes=wanted, signals=signals or Signals())


@pytest.mark.parametrize(
    ("free", "was", "now"),
    [
        (99, False, True),
        (100, False, False),
        (109, False, False),
        (109, True, True),
        (110, True, False),
    ],
)
def test_a_place_is_scarce_until_it_has_a_tenth_more(free: int, was: bool, now: bool) -> None:
    assert scarce(Room("data", Path("/"), free), 100, was=was) is now


async def test_too_little_is_told_with_place_and_remedy_and_ends_by_itself(tmp_path: Path) -> None:
    signals = Signals()
    disk = watch(tmp_path, EVERYTHING, signals)
    with signals.listening("queue") as queue, signals.listening("disk") as changed:
        await disk.look()
        assert queue.is_set()
        assert changed.is_set()
        queue.clear()
        with pytest.raises(NotNow, match=rf"are free at {tmp_path} .* are wanted .*; free some") as caught:
            disk.check()
        assert caught.value.code == "disk"
        assert disk.short == {"data"}
        disk.min_free_bytes = 1
        await disk.look()
        assert queue.is_set()
    disk.check()
    assert disk.enough


async def test_enough_is_enough(tmp_path: Path) -> None:
    disk = watch(tmp_path, 1)
    await disk.look()
    disk.check()
    room = disk.rooms[0]
    found = os.statvfs(tmp_path)
    assert (room.place, room.path) == ("data", tmp_path)
    assert abs(room.free_bytes - found.f_bavail * found.f_frsize) < 1024 * MIB


async def test_a_refused_commit_counts_at_once_whatever_seems_to_be_free(tmp_path: Path) -> None:
    signals = Signals()
    disk = watch(tmp_path, 1, signals)
    await disk.look()
    with signals.listening("disk.look") as doubted:
        disk.refused()
        assert doubted.is_set()
    with pytest.raises(NotNow, match="the disk refused to store something"):
        disk.check()


async def test_a_place_that_is_gone_is_left_out(tmp_path: Path) -> None:
    disk = watch(tmp_path / "gone", EVERYTHING)
    await disk.look()
    assert disk.rooms == []
    assert disk.enough
