"""Uses: when an environment image was last wanted, one empty file each, whose time says it."""

import os
import time
from pathlib import Path

# Often enough for images that are kept for days, and seldom enough to cost nothing.
_EVERY_S = 600.0


class Uses:
    """The last uses of images by their names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._noted: dict[str, float] = {}

    def note(self, name: str) -> None:
        """Note that an image is wanted now."""
        now = time.monotonic()
        if now - self._noted.get(name, -_EVERY_S) < _EVERY_S:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self._folder / _file(name)).touch()
        self._noted[name] = now

    def last_us(self, name: str) -> int | None:
        """Return when an image was last wanted, give or take ten minutes; None where nobody has noted it."""
        try:
            return (self._folder / _file(name)).stat().st_mtime_ns // 1000
        except OSError:
            return None

    def forget(self, name: str) -> None:
        """Forget an image that is gone."""
        self._noted.pop(name, None)
        (self._folder / _file(name)).unlink(missing_ok=True)

    def set(self, name: str, us: int) -> None:
        """Note a use at another time than now."""
        self.note(name)
        os.utime(self._folder / _file(name), ns=(us * 1000, us * 1000))


def _file(name: str) -> str:
    return name.replace("/", "_").replace(":", "-")
