"""The daemon of a module's ordinary cases; ``serve`` starts others for those that are ended."""

from collections.abc import Iterator

import pytest

from tests.conftest import Serve
from tests.daemon.harness import Daemon


@pytest.fixture(scope="module")
def daemon(serve: Serve) -> Iterator[Daemon]:
    """A daemon that a module's tests share."""
    with serve() as daemon:
        yield daemon
