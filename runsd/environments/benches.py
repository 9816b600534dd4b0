"""Benches: directories to work in, which are gone afterwards, or when the next daemon starts."""

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


class Benches:
    """Lends directories below one of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own = folder / secrets.token_hex(4)

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[Path]:
        """Lend an empty directory."""
        self._own.mkdir(mode=0o700, parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(dir=self._own))
        try:
            yield place
        finally:
            await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)

    def clear(self) -> None:
        """Remove what earlier daemons have left that were killed."""
        for left in self._folder.glob("*"):
            if left != self._own:
                shutil.rmtree(left, ignore_errors=True)
