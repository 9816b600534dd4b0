"""Real databases in a directory of their own, and a clock that a test sets."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from runsd.ids import Ids
from runsd.sqlite import Sqlite
from runsd.store.attempts import Attempts
from runsd.store.database import open_database
from runsd.store.events import Events
from runsd.store.runs import Runs
from runsd.store.usage import UsageLines
from runsd.store.volumes import Volumes
from tests.store.desk import Desk, Hands


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runsd.db"


@pytest.fixture
async def db(path: Path) -> AsyncIterator[Sqlite]:
    db = await open_database(path)
    yield db
    await db.close()


@pytest.fixture
def desk(db: Sqlite, hands: Hands) -> Desk:
    new_id = Ids(hands.now).new
    return Desk(
        db=db,
        hands=hands,
        runs=Runs(db, clock=hands.now, new_id=new_id, hostname="host", price_usd=Decimal("0.00004")),
        attempts=Attempts(db, clock=hands.now),
        volumes=Volumes(db, clock=hands.now, new_id=new_id),
        events=Events(db),
        usage=UsageLines(db),
    )
