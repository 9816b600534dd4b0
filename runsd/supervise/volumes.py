"""Volumes between store and Engine: what a crash leaves half made or half removed is cleared away.

The row comes first and goes last, and until both sides agree it is marked: nobody sees it, and what the
Engine has by its name is to go. To make a volume is thus: marked row, Engine's volume, mark off; to remove
one: mark on, Engine's volume gone, row gone. Wherever a crash falls, the reconciler finds the mark.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from runsd_sdk.host import Volume
from runsd_sdk.spec import VolumeSpec

from runsd.engine.port import Engine
from runsd.errors import EngineConflict, EngineError, EngineRefused, EngineUnavailable
from runsd.store.volumes import Volumes
from runsd.supervise.naming import INSTANCE, VOLUME

log = structlog.get_logger()

# A run that has just ended is still on the volume until its container is removed.
_TRIES = 20
_PAUSE_S = 0.25
_Name = tuple[str, str]


class EngineVolumes:
    """Makes and removes volumes. One object for all: it knows which are in somebody's hands."""

    def __init__(self, engine: Engine, volumes: Volumes, *, instance: str) -> None:
        self._engine = engine
        self._volumes = volumes
        self._instance = instance
        self._in_hand: Counter[_Name] = Counter()

    async def make(self, project: str, spec: VolumeSpec) -> Volume:
        """Make a volume. Raises Conflicting for a name in use, or the Engine's error."""
        await self._clear((project, spec.name))
        for _ in range(_TRIES):  # the reconciler, or another client, may be about to clear it away
            if not self._in_hand[project, spec.name]:
                break
            await asyncio.sleep(_PAUSE_S)
        with self._holding((project, spec.name)):
            volume = await self._volumes.add(project, spec)
            labels = {INSTANCE: self._instance, VOLUME: volume.name}
            try:
                await self._engine.create_volume(volume.docker_name, labels)
            except EngineUnavailable:
                raise  # it may be there or not: the mark stays until that is known
            except EngineError:
                await self._volumes.forget(volume)
                raise
            await self._volumes.keep(volume)
        return volume

    async def remove(self, volume: Volume) -> None:
        """Remove a volume and what is in it.

        Raises Conflicting while runs use it, and the Engine's refusal; the volume is kept then. While the
        Engine cannot be asked the volume is gone for everybody, and the Engine's own follows.
        """
        with self._holding((volume.project, volume.name)):
            await self._volumes.discard(volume)
            try:
                await self._remove_unused(volume)
            except EngineUnavailable as silence:
                log.warning("volume.removed_later", volume=volume.id, error=str(silence))
                return
            except EngineError:
                await self._volumes.keep(volume)
                raise
            await self._volumes.forget(volume)

    async def clear(self) -> None:
        """Finish what a crash or a silent Engine has left half made or half removed."""
        await self._clear(None)

    async def _clear(self, only: _Name | None) -> None:
        for volume in await self._volumes.discarded():
            name = (volume.project, volume.name)
            if self._in_hand[name] or only not in (None, name):
                continue
            with self._holding(name):
                # From here on nobody else touches it; but somebody may have finished it just before.
                if await self._volumes.is_discarded(volume):
                    await self._finish(volume)

    async def _finish(self, volume: Volume) -> None:
        try:
            await self._engine.remove_volume(volume.docker_name)
        except (EngineConflict, EngineRefused) as failure:
            log.warning("volume.not_removed", volume=volume.id, error=str(failure))
        else:
            await self._volumes.forget(volume)
            log.info("volume.removed", volume=volume.id, name=volume.name)

    async def _remove_unused(self, volume: Volume) -> None:
        for _ in range(_TRIES):
            try:
                return await self._engine.remove_volume(volume.docker_name)
            except EngineConflict:
                await asyncio.sleep(_PAUSE_S)
        return await self._engine.remove_volume(volume.docker_name)

    @contextmanager
    def _holding(self, name: _Name) -> Iterator[None]:
        self._in_hand[name] += 1
        try:
            yield
        finally:
            self._in_hand[name] -= 1
            if not self._in_hand[name]:
                del self._in_hand[name]
