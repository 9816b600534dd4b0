"""A process that tidies a directory once: ``python -m tests.store.tidy DIRECTORY NOW_US``."""

import asyncio
import sys
from pathlib import Path

from tests.store.attic import open_attic


async def main(directory: Path, now_us: int) -> None:
    """Tidy with the ages that the tests use."""
    async with open_attic(directory) as attic:
        attic.desk.hands.us = now_us
        await attic.tidied(runs_days=30.0, logs_days=10.0, events_days=20.0)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
