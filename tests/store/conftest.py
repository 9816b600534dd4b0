"""Real databases in a directory of their own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.store.desk import Desk, open_desk


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runsd.db"


@pytest.fixture
async def desk(path: Path) -> AsyncIterator[Desk]:
    async with open_desk(path) as desk:
        yield desk
