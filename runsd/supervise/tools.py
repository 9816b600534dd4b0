"""What attempts work with, and how they end before they have begun."""

from collections.abc import Sequence
from dataclasses import dataclass

from runsd.clock import Clock
from runsd.engine.port import Engine
from runsd.environments.environments import Environments
from runsd.logs.capture import LogWriter
from runsd.metrics import Metrics
from runsd.run import Outcome
from runsd.signals import Signals
from runsd.sources.sources import Sources
from runsd.store.attempts import Attempts
from runsd.store.hooks import Payloads
from runsd.store.programs import Programs
from runsd.store.secrets import Secrets
from runsd.store.volumes import Volumes
from runsd.supervise.bridge import Bridge
from runsd.supervise.health import EngineMonitor
from runsd.supervise.images import Images
from runsd.supervise.pace import Pace
from runsd.supervise.sandboxes import Sandboxes
from runsd.supervise.secret_files import SecretFiles
from runsd.supervise.usage import UsageMeter
from runsd.telemetry.service import Telemetry


@dataclass(frozen=True, slots=True)
class Tools:
    """What an attempt works with. Made once, in ``daemon.py``."""

    engine: Engine
    attempts: Attempts
    programs: Programs
    volumes: Volumes
    secrets: Secrets
    payloads: Payloads
    secret_files: SecretFiles
    sources: Sources
    environments: Environments
    images: Images
    logs: LogWriter
    usage: UsageMeter
    telemetry: Telemetry
    signals: Signals
    clock: Clock
    pace: Pace
    sandboxes: Sandboxes
    bridge: Bridge
    metrics: Metrics
    monitor: EngineMonitor
    engine_here: bool
    boot: str
    boots_us: Sequence[int]
    instance: str
    log_max_bytes: int
    read_only: bool

    def tell(self, run_id: str) -> None:
        """Wake everyone who waits for a change of this run."""
        self.signals.notify(f"run:{run_id}", "events")

    def tell_end(self, run_id: str) -> None:
        """Wake those too who wait for its end alone."""
        self.signals.notify(f"run:{run_id}", f"over:{run_id}", "events")


class Gone(Exception):
    """The attempt's container is not there any more."""


class NotStarted(Exception):
    """The attempt is over before its container ran."""

    def __init__(self, ended: Outcome) -> None:
        super().__init__(ended.message)
        self.outcome = ended
