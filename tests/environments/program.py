"""A process that has an environment made, to be killed: ``DATA LINKS INSTANCE BASE REQUIREMENT``."""

import asyncio
import sys
from collections.abc import Collection
from pathlib import Path

import engine as found

from runsd.clock import now_us
from runsd.config import EnvironmentSettings
from runsd.engine.docker import DockerEngine
from runsd.environments.environments import Environments
from runsd.environments.requirements import stated

_DAY_US = 24 * 3600 * 1_000_000


async def main(data: str, links: str, instance: str, base: str, asked: str) -> None:
    """Have one made and removed again, and print what is going on."""
    engine = DockerEngine.at(found.address())
    source = {"index_url": links} if links.startswith("http") else {"find_links": [links], "no_index": True}
    settings = EnvironmentSettings.model_validate(source)

    async def nothing() -> Collection[str]:
        return ()

    def at(us: int) -> Environments:
        return Environments(
            engine, settings, Path(data), instance=instance, clock=lambda: now_us() + us, in_use=nothing
        )

    try:
        image = await engine.image(base)
        assert image is not None
        await at(0).ready(image, stated([asked]), on_progress=_print)
        await at(31 * _DAY_US).collect()
    finally:
        await engine.close()


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
