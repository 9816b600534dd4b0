"""How often a run troubles the Engine: each call has its price, there and here."""

from collections.abc import Iterator

import pytest
from runsd_sdk.run import Status

from tests.daemon.harness import ENDED_S, GATE, Daemon
from tests.faults.conftest import ServeProxied
from tests.faults.proxy import Proxy

ONCE = ("image", "create", "attach", "start", "wait", "logs", "remove")


@pytest.fixture(scope="module")
def stage(serve_proxied: ServeProxied) -> Iterator[tuple[Daemon, Proxy]]:
    with serve_proxied(RUNSD_SANDBOX__POOL="0") as stage:
        yield stage


@pytest.mark.parametrize("script", ["true", "echo told; echo too >&2"], ids=["silent", "short"])
def test_an_ordinary_run_asks_the_engine_for_each_thing_once(
    stage: tuple[Daemon, Proxy], script: str
) -> None:
    daemon, proxy = stage
    with proxy.hold("remove") as removal:
        before = proxy.calls.copy()
        handle = daemon.submit("sh", "-c", GATE + script)
        daemon.until(handle.id, "run.running")
        daemon.open_gate(handle.id)
        assert handle.wait(ENDED_S).status is Status.SUCCEEDED
        removal.await_held()
        asked = proxy.calls - before
        removal.answer()
    assert {kind: asked[kind] for kind in ONCE} == dict.fromkeys(ONCE, 1)
    assert asked["inspect"] == 2  # since when it runs, and how it ended
