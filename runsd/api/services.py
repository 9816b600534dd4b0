"""What the handlers may use. Made once, in ``daemon.py``."""

import asyncio
from dataclasses import dataclass, field

from runsd.admission import Resources
from runsd.api.connections import Connections
from runsd.api.failures import Failures
from runsd.clock import Clock
from runsd.config import Settings
from runsd.engine.port import Engine
from runsd.logs.kept import KeptLogs
from runsd.logs.lines import Lines
from runsd.logs.reader import LogReader
from runsd.logs.samples import Samples
from runsd.logs.search import Searches
from runsd.metrics import Metrics
from runsd.signals import Signals
from runsd.sources.sources import Sources
from runsd.sources.uploads import Uploads
from runsd.store.attempts import Attempts
from runsd.store.audit import Audit
from runsd.store.deliveries import Deliveries
from runsd.store.events import Events
from runsd.store.hooks import Hooks
from runsd.store.keys import Keys
from runsd.store.programs import Programs
from runsd.store.projects import Projects
from runsd.store.refusals import Refusals
from runsd.store.retention import Retention
from runsd.store.runs import Runs
from runsd.store.secrets import Secrets
from runsd.store.sessions import Sessions
from runsd.store.tasks import Tasks
from runsd.store.usage import UsageLines
from runsd.store.volumes import Volumes
from runsd.store.webhooks import Webhooks
from runsd.supervise.acceptance import Acceptance
from runsd.supervise.disk import DiskWatch
from runsd.supervise.health import EngineMonitor
from runsd.supervise.pace import Pace
from runsd.supervise.sandboxes import Sandboxes
from runsd.supervise.scheduler import Scheduler
from runsd.supervise.turns import Turns
from runsd.supervise.usage import UsageMeter
from runsd.supervise.volumes import EngineVolumes
from runsd.telemetry.service import Telemetry


@dataclass(frozen=True, slots=True)
class Services:
    """The daemon behind the API."""

    settings: Settings
    capacity: Resources
    acceptance: Acceptance
    runs: Runs
    attempts: Attempts
    programs: Programs
    projects: Projects
    keys: Keys
    sessions: Sessions
    audit: Audit
    refusals: Refusals
    events: Events
    hooks: Hooks
    tasks: Tasks
    volumes: Volumes
    webhooks: Webhooks
    deliveries: Deliveries
    secrets: Secrets
    engine_volumes: EngineVolumes
    uploads: Uploads
    sources: Sources
    usage_lines: UsageLines
    logs: LogReader
    lines: Lines
    searches: Searches
    samples: Samples
    telemetry: Telemetry
    retention: Retention
    kept_logs: KeptLogs
    disk: DiskWatch
    engine: Engine
    monitor: EngineMonitor
    pace: Pace
    scheduler: Scheduler
    turns: Turns
    sandboxes: Sandboxes
    signals: Signals
    metrics: Metrics
    clock: Clock
    instance: str
    hostname: str
    tcp_address: str | None
    usage: UsageMeter
    started_us: int
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    connections: Connections = field(default_factory=Connections)
    hook_failures: Failures = field(default_factory=Failures)
