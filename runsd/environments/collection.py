"""Collection: which environment images are not worth their room any more, and their removal."""

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Collection as Some
from dataclasses import dataclass

import structlog

from runsd.clock import Clock
from runsd.config import EnvironmentSettings
from runsd.engine.port import Engine, FoundImage
from runsd.environments.naming import BASE, ENVIRONMENT, FILLED, REPOSITORY
from runsd.environments.uses import Uses
from runsd.errors import EngineConflict, EngineRefused

log = structlog.get_logger()

# A run that was given an image may not have its container yet.
_YOUNG_US = 3600 * 1_000_000
_DAY_US = 24 * 3600 * 1_000_000

InUse = Callable[[], Some[str]]


# An image with a program's files is made anew in a moment, and there is one for every change of them.
_FILLED_US = _DAY_US


@dataclass(frozen=True, slots=True)
class Kept:
    """An image of ours: its size above what it is made from, and when it was last wanted.

    ``keep_us`` is for how long it is kept after that, 0 for ever.
    """

    name: str
    id: str
    bytes: int
    used_us: int
    keep_us: int


def to_remove(images: Iterable[Kept], in_use: Some[str], *, now_us: int, most_bytes: int) -> list[Kept]:
    """Choose what to remove: what nobody has used for so long, then of too much what was used longest ago.

    0 is no limit. What is in use, or was wanted within the last hour, stays.
    """
    kept = sorted(images, key=lambda image: image.used_us)
    free = [image for image in kept if image.id not in in_use and image.used_us < now_us - _YOUNG_US]
    chosen = [image for image in free if image.keep_us and image.used_us < now_us - image.keep_us]
    total = sum(image.bytes for image in kept) - sum(image.bytes for image in chosen)
    for image in [image for image in free if image not in chosen]:
        if not most_bytes or total <= most_bytes:
            break
        chosen.append(image)
        total -= image.bytes
    return chosen


class Collector:
    """Removes the images of one installation that are not worth their room."""

    def __init__(
        self, engine: Engine, uses: Uses, settings: EnvironmentSettings, *, instance: str, clock: Clock
    ) -> None:
        self._engine = engine
        self._uses = uses
        self._settings = settings
        self._instance = instance
        self._clock = clock

    async def collect(self, in_use: Some[str]) -> list[str]:
        """Remove them, and return their names. ``in_use`` are ids of images that live runs are made from."""
        found = await self._engine.images()
        sizes = {image.id: image.bytes for image in found}
        mine = [image for image in found if image.labels.get(ENVIRONMENT) == self._instance]
        images = [self._kept(image, name, sizes) for image in mine for name in image.names if _is_ours(name)]
        chosen = to_remove(images, in_use, now_us=self._clock(), most_bytes=self._settings.image_bytes)
        chosen += [self._kept(image, image.id, sizes) for image in mine if self._is_useless(image, in_use)]
        return [image.name for image in chosen if await self._remove(image)]

    def _is_useless(self, image: FoundImage, in_use: Some[str]) -> bool:
        """Say whether an image has lost its name: to one that another daemon made at the same time."""
        young = image.created_us > self._clock() - _YOUNG_US
        return not image.names and not young and image.id not in in_use

    def _kept(self, image: FoundImage, name: str, sizes: Mapping[str, int]) -> Kept:
        # Where the base has no name of its own any more, nothing but the environment keeps its room.
        above = image.bytes - sizes.get(image.labels.get(BASE, ""), 0)
        keep_us = int(self._settings.keep_days * _DAY_US)
        if name.startswith(f"{FILLED}:"):
            keep_us = min(keep_us, _FILLED_US) if keep_us else _FILLED_US
        return Kept(name, image.id, above, self._uses.last_us(name) or image.created_us, keep_us)

    async def _remove(self, image: Kept) -> bool:
        try:
            await self._engine.remove_image(image.name)
        except (EngineConflict, EngineRefused) as failure:
            log.info("environment.kept", image=image.name, error=str(failure))
            return False
        self._uses.forget(image.name)
        log.info("environment.removed", image=image.name, bytes=image.bytes)
        return True


def _is_ours(name: str) -> bool:
    return name.startswith((f"{REPOSITORY}:", f"{FILLED}:"))
