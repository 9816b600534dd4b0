"""One daemon on the real Engine for all that is asked over HTTP."""

from collections.abc import Iterator

import pytest

from tests.conftest import Serve
from tests.daemon.harness import Daemon


@pytest.fixture(scope="package")
def daemon(serve: Serve) -> Iterator[Daemon]:
    """A daemon that says no to what its host cannot do: two cores, 1 GiB, ten minutes, sources of 10 MiB."""
    with serve(
        RUNSD_CAPACITY__CPU="2",
        RUNSD_CAPACITY__MEMORY="1Gi",
        RUNSD_DEFAULTS__MAX_TIMEOUT_SECONDS="600",
        RUNSD_IMAGES__ALLOW="runsd/*,localhost:1/*",
        RUNSD_SOURCES__MAX_BYTES="10Mi",
        RUNSD_WEBHOOKS__ALLOW="127.0.0.1",
    ) as daemon:
        yield daemon
