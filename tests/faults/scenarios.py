"""The faults by kind: each is a function that does it to a stage on which a workload runs."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from docker import APIClient

from runsd.faults import Step
from tests.daemon.harness import Daemon
from tests.faults.boot import rebooted
from tests.faults.clients import leave
from tests.faults.engine import PrivateEngine
from tests.faults.invariants import Findings, Truth, findings
from tests.faults.proxy import Proxy
from tests.faults.workload import Workload


@dataclass(slots=True)
class Stage:
    """A daemon before an Engine, with the proxy between them, a workload on it, and what was done to them."""

    daemon: Daemon
    proxy: Proxy
    workload: Workload
    random: Random
    private: PrivateEngine | None = None
    injected: Counter[str] = field(default_factory=Counter)
    boots: list[datetime] = field(default_factory=list)
    closing: ExitStack = field(default_factory=ExitStack)

    @property
    def engine(self) -> PrivateEngine:
        """The Engine, where it is one that may be harmed."""
        assert self.private is not None, "this fault needs an Engine of its own"
        return self.private

    def pause(self, least_s: float, most_s: float) -> None:
        """Let the workload go on for some time between these, less when it is over."""
        self.workload.pause(self.random.uniform(least_s, most_s))


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault: done ``times``, each for at most ``seconds`` where it lasts."""

    inject: Callable[[Stage, float], None]
    private: bool = False
    live_restore: bool = False
    engine_dies: bool = False


def play(
    fault: str,
    directory: Path,
    *,
    engine: PrivateEngine | None = None,
    host: str = "",
    eye: APIClient | None = None,
    image: str,
    seed: int,
    size: int,
    times: int,
    seconds: float,
) -> tuple[Counter[str], Findings]:
    """Run a workload while a kind of fault is done to it ``times``, and compare everything when it is over.

    The Engine is a private one, or that at ``host`` with ``eye`` on it for faults that do not touch it.
    ``seconds`` is how long a fault lasts that has a length.
    """
    kind = FAULTS[fault]
    if engine is not None:
        engine.ensure_up(live_restore=kind.live_restore)
        host, eye = engine.host, engine.eye
    assert eye is not None
    with stage(directory, host, eye, image=image, seed=seed, size=size, engine=engine) as on:
        for _ in range(times):
            on.pause(0.0, 0.3 if on.random.random() < 0.4 else 3.0)
            kind.inject(on, seconds)
            on.injected[fault] += 1
        book = on.workload.finish()
        on.proxy.sweep(f"io.runsd.instance={on.daemon.instance}")
        truth = Truth(on.daemon, on.proxy.witness, engine_died=kind.engine_dies, boots=on.boots)
        found = findings(truth, book)
        return on.injected, found


@contextmanager
def stage(
    directory: Path,
    host: str,
    eye: APIClient,
    *,
    image: str,
    seed: int,
    size: int,
    engine: PrivateEngine | None = None,
    **settings: str,
) -> Iterator[Stage]:
    """Set up a stage with a workload that has begun."""
    with ExitStack() as stack:
        daemon, proxy = stack.enter_context(proxied(directory, host, eye, image=image, **settings))
        workload = stack.enter_context(Workload(daemon, seed=seed, size=size))
        random = Random(f"stage {seed}")
        on = Stage(daemon, proxy, workload, random, engine)
        stack.enter_context(on.closing)
        yield on


@contextmanager
def proxied(
    directory: Path, host: str, eye: APIClient, *, image: str, **settings: str
) -> Iterator[tuple[Daemon, Proxy]]:
    """Set up a daemon with a proxy between it and the Engine at ``host``."""
    with (
        Proxy(Path(host.removeprefix("unix://")), directory / "engine.sock") as proxy,
        Daemon(directory, eye, proxy.host, image=image, **settings) as daemon,
    ):
        yield daemon, proxy


# The faults. Each leaves everything up again.


def daemon_killed(on: Stage, _: float) -> None:
    """SIGKILL, and a new daemon."""
    on.daemon.kill9()
    on.daemon.start()


def daemon_restarted(on: Stage, _: float) -> None:
    """SIGTERM, and a new daemon."""
    on.daemon.restart()


def daemon_away(on: Stage, seconds: float) -> None:
    """SIGKILL, and no daemon for a while."""
    on.daemon.kill9()
    on.pause(0.1, seconds)
    on.daemon.start()


def daemon_paused(on: Stage, seconds: float) -> None:
    """SIGSTOP for a moment. After 2 s the Engine would drop the end of what nobody reads: logs.md."""
    with on.daemon.paused():
        on.pause(0.1, min(1.0, seconds))


def socket_gone(on: Stage, seconds: float) -> None:
    """The Engine's socket is away for a while, and all connections with it."""
    with on.proxy.away():
        on.pause(0.1, seconds)


def connections_cut(on: Stage, _: float) -> None:
    """All connections to the Engine break at once."""
    on.proxy.cut()


def answers_lost(on: Stage, seconds: float) -> None:
    """The Engine does what it is asked, and the connection breaks before it says so."""
    with on.proxy.hold(*_CHANGES, forwarded=True):
        on.pause(0.1, seconds)


def answers_late(on: Stage, seconds: float) -> None:
    """The Engine takes its time to hear what it is asked, and answers then."""
    with on.proxy.hold(*_CHANGES) as hold:
        on.pause(0.1, seconds)
        hold.answer()


def clients_leave(on: Stage, _: float) -> None:
    """Hundreds of connections of others are opened, and left in the middle."""
    known = on.daemon.client.list(limit=100).data
    leave(on.daemon.socket, on.random.choice(known).id if known else "", on.random, count=200)


def engine_stopped(on: Stage, seconds: float) -> None:
    """The Engine is stopped as a service is, and started after a while."""
    on.engine.stop()
    on.pause(0.1, seconds)
    on.engine.start(live_restore=on.engine.live_restore)


def engine_killed(on: Stage, seconds: float) -> None:
    """dockerd is killed, and started after a while."""
    on.engine.kill()
    on.pause(0.1, seconds)
    on.engine.start(live_restore=on.engine.live_restore)


def engine_frozen(on: Stage, seconds: float) -> None:
    """dockerd does not move for a while."""
    with on.engine.frozen():
        on.pause(seconds / 2, seconds)


def both_killed(on: Stage, seconds: float) -> None:
    """Daemon and dockerd are killed at once, and started one after the other."""
    on.daemon.kill9()
    on.engine.kill()
    on.pause(0.1, seconds)
    starts = [on.daemon.start, lambda: on.engine.start(live_restore=on.engine.live_restore)]
    on.random.shuffle(starts)
    for start in starts:
        start()


_CHANGES = ("create", "start", "kill", "remove")


def daemon_killed_at_a_step(on: Stage, _: float) -> None:
    """SIGKILL before or after something that leaves a trace, and a new daemon."""
    on.daemon.kill9()
    on.daemon.start_doomed(f"{on.random.choice(('before', 'after'))}:{on.random.choice(STEPS)}")
    on.pause(0.5, 5.0)
    on.daemon.ensure_down()
    on.daemon.start()


def engine_stuck(on: Stage, seconds: float) -> None:
    """The Engine answers no more to one kind of call, until it is as if it had been started again."""
    kind, done = on.random.choice(("create", "start", "kill", "remove")), on.random.random() < 0.5
    with on.proxy.hold(kind, forwarded=done):
        on.pause(0.1, seconds)


def host_lost_power(on: Stage, seconds: float) -> None:
    """Daemon, Engine and containers end at once, and the host has another boot id when they are back."""
    on.daemon.kill9()
    on.engine.crash()
    on.pause(0.1, seconds)
    on.daemon.prefix = on.closing.enter_context(rebooted(on.daemon.directory))
    on.boots.append(datetime.now(UTC))
    on.engine.start(live_restore=on.engine.live_restore)
    on.daemon.start()


# What a workload passes often.
STEPS = (
    Step.SUBMIT, Step.CANCEL, Step.ADMIT, Step.READY, Step.CREATE, Step.CREATED, Step.ATTACH, Step.START,
    Step.STARTED, Step.LOG_CHUNKS, Step.SAMPLES, Step.STOP, Step.KILL, Step.EXIT, Step.OUTPUT, Step.FINISH,
    Step.RETRY, Step.REMOVE,
)  # fmt: skip

FAULTS: dict[str, Fault] = {
    "daemon killed": Fault(daemon_killed),
    "daemon restarted": Fault(daemon_restarted),
    "daemon away": Fault(daemon_away),
    "daemon paused": Fault(daemon_paused),
    "socket gone": Fault(socket_gone),
    "connections cut": Fault(connections_cut),
    "answers lost": Fault(answers_lost),
    "answers late": Fault(answers_late),
    "clients leave": Fault(clients_leave),
    "engine stopped": Fault(engine_stopped, private=True, engine_dies=True),
    "engine stopped, live-restore": Fault(engine_stopped, private=True, live_restore=True, engine_dies=True),
    "engine killed": Fault(engine_killed, private=True, engine_dies=True),
    "engine killed, live-restore": Fault(engine_killed, private=True, live_restore=True, engine_dies=True),
    "engine frozen": Fault(engine_frozen, private=True),
    "daemon killed at a step": Fault(daemon_killed_at_a_step),
    "engine stuck": Fault(engine_stuck),
    "host lost power": Fault(host_lost_power, private=True, engine_dies=True),
    "daemon and engine killed": Fault(both_killed, private=True, live_restore=True, engine_dies=True),
}
