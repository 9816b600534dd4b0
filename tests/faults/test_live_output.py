"""Live output that does not come as it was sent, on a connection that ends as if it had."""

from collections.abc import Callable, Iterator

import pytest
from runsd_sdk.run import Status

from tests.daemon.harness import ENDED_S, GATE, Daemon, closing_stream
from tests.faults.conftest import ServeProxied
from tests.faults.proxy import Proxy

LINES = "for n in $(seq 400); do echo line $n; [ $((n % 100)) = 0 ] && sleep 0.05; done; true"
LONG = "seq 1 40000; sleep 0.3; seq 40001 80000; sleep 0.3; seq 80001 120000"
SPOILT: dict[str, Callable[[int, bytes], bytes]] = {
    "nothing is lost": lambda number, piece: piece,
    "everything is lost": lambda number, piece: b"",
    "the beginning is lost": lambda number, piece: piece if number else b"",
    "the end is lost": lambda number, piece: b"" if number else piece,
}


@pytest.fixture(scope="module")
def stage(serve_proxied: ServeProxied) -> Iterator[tuple[Daemon, Proxy]]:
    with serve_proxied() as stage:
        yield stage


@pytest.mark.parametrize("what", SPOILT)
@pytest.mark.parametrize(
    ("script", "printed"),
    [
        (LINES, "".join(f"line {n}\n" for n in range(1, 401))),
        (LONG, "".join(f"{n}\n" for n in range(1, 120_001))),
        ("true", ""),
    ],
    ids=["short", "long", "silent"],
)
def test_what_did_not_come_live_is_taken_from_the_record(
    stage: tuple[Daemon, Proxy], what: str, script: str, printed: str
) -> None:
    daemon, proxy = stage
    proxy.spoil = SPOILT[what]
    result = daemon.run("sh", "-c", script)
    assert result.status is Status.SUCCEEDED
    assert daemon.raw(result.id).decode() == printed
    assert {entry.stream for entry in daemon.client.logs(result.id)} <= {"stdout"}
    assert result.logs.stdout_bytes == len(printed)


def test_an_end_that_did_not_come_live_repeats_nothing_to_a_follower(stage: tuple[Daemon, Proxy]) -> None:
    daemon, proxy = stage
    proxy.spoil = SPOILT["the end is lost"]
    handle = daemon.submit("sh", "-c", f"echo first; {GATE}echo last")
    with closing_stream(handle.logs(follow=True)) as entries:
        seen = [next(entries).text]
        daemon.open_gate(handle.id)
        seen += [entry.text for entry in entries]
    assert seen == ["first\n", "last\n"]
    assert handle.wait(ENDED_S).stdout == "first\nlast\n"
