"""The reconciler: what the store says and what the Engine has are made to agree.

It runs at boot, whenever the Engine comes back, and every half minute. Every live row gets its supervisor,
which finds out by itself what has become of the container; ``strays`` says what is left of others, and
nothing that is not known for sure is destroyed without a grace.
"""

from collections.abc import Iterable, Mapping

import structlog

from runsd.clock import Clock
from runsd.engine.port import Engine, Found
from runsd.errors import EngineRefused, RunsdError
from runsd.signals import Signals, woken
from runsd.store.attempts import Attempts
from runsd.supervise.health import EngineMonitor
from runsd.supervise.naming import INSTANCE, attempt_of, attempt_of_name, container_name
from runsd.supervise.secret_files import SecretFiles
from runsd.supervise.supervisor import Supervisor
from runsd.supervise.usage import UsageMeter
from runsd.supervise.volumes import EngineVolumes

log = structlog.get_logger()

_EVERY_S = 30.0
_STRANGER_GRACE_US = 300 * 1_000_000


def strays(containers: Iterable[Found], current: Mapping[str, int], *, now_us: int) -> list[Found]:
    """Return the containers that should not be there.

    ``current`` gives the attempt of every known run: 0 for one that is not live. A container of an attempt
    that is over is a stray (whoever carried it out removes it too, and twice does no harm); one of a run that
    nobody knows is a stray when it is five minutes old. Labels alone prove nothing: a container inherits
    those of its image, and images are made from containers. Only one that bears the right name too is ours.
    """
    remove = []
    for found in containers:
        named = attempt_of(found.labels)
        if named is None or found.name != container_name(*named):
            continue
        if named[0] not in current:
            if found.created_us < now_us - _STRANGER_GRACE_US:
                remove.append(found)
        elif named[1] != current[named[0]]:
            remove.append(found)
    return remove


class Reconciler:
    """Takes up what is ours and clears away what is nobody's."""

    def __init__(
        self,
        engine: Engine,
        attempts: Attempts,
        supervisor: Supervisor,
        monitor: EngineMonitor,
        usage: UsageMeter,
        volumes: EngineVolumes,
        secret_files: SecretFiles,
        *,
        instance: str,
        signals: Signals,
        clock: Clock,
    ) -> None:
        self._engine = engine
        self._attempts = attempts
        self._supervisor = supervisor
        self._monitor = monitor
        self._usage = usage
        self._volumes = volumes
        self._secret_files = secret_files
        self._instance = instance
        self._signals = signals
        self._clock = clock

    async def serve(self) -> None:
        """Reconcile for as long as the daemon lives."""
        with self._signals.listening("engine") as changed:
            while True:
                try:
                    await self._reconcile()
                except (RunsdError, OSError) as failure:
                    log.warning("reconcile.failed", error=str(failure))
                    self._monitor.doubt()
                await woken(changed, _EVERY_S)

    async def _reconcile(self) -> None:
        for run_id in await self._attempts.live():
            self._supervisor.take_up(run_id)
        if not self._monitor.reachable:
            return
        # What is listed before the rows are read cannot be younger than they are.
        containers = await self._engine.containers({INSTANCE: self._instance})
        cgroups = await self._usage.left_over()
        secrets = await self._secret_files.left_over()
        named = [attempt_of(found.labels) for found in containers]
        named += [attempt_of_name(name) for name in (*cgroups, *secrets)]
        current = await self._attempts.current({attempt[0] for attempt in named if attempt is not None})
        for found in strays(containers, current, now_us=self._clock()):
            await self._remove(found)
        listed = {found.name for found in containers}
        for names, clear in ((cgroups, self._usage.clear), (secrets, self._secret_files.clear)):
            for name in names:
                attempt = attempt_of_name(name)
                # Whatever has a container still is cleared away with it, now or at the next look.
                if name not in listed and attempt is not None and current.get(attempt[0]) != attempt[1]:
                    await clear(name)
        await self._volumes.clear()

    async def _remove(self, found: Found) -> None:
        try:
            await self._engine.remove(found.id)
        except EngineRefused as failure:  # one that cannot be removed must not keep the others
            log.warning("container.not_removed", container=found.id[:12], error=str(failure))
        else:
            log.info("container.removed", container=found.id[:12], name=found.name)
