"""A receiver for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.telemetry.station import Station, open_station


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Station]:
    async with open_station(tmp_path) as station:
        yield station
