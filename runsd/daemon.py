"""The daemon: the one place where everything is made, joined and ended in order."""

import asyncio
import gc
import os
import signal
import socket
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog
from aiohttp import web

from runsd import __version__, intake, notify
from runsd.api.app import make_app
from runsd.api.gate import Gate, most_connections
from runsd.api.services import Services
from runsd.climb import Climb
from runsd.clock import SteadyClock, boot_id, since_boot_us
from runsd.config import Settings
from runsd.datadir import KEY, LOGS, STATE, UPLOADS, held
from runsd.engine.docker import DockerEngine
from runsd.engine.port import Confinement, EngineFacts
from runsd.environments.environments import Environments
from runsd.ids import Ids
from runsd.keyring import Keyring
from runsd.logs.capture import LogWriter
from runsd.logs.database import open_logs
from runsd.logs.kept import KeptLogs
from runsd.logs.lines import Lines
from runsd.logs.reader import LogReader
from runsd.logs.samples import Samples
from runsd.logs.search import Searches
from runsd.metrics import Metrics
from runsd.places import default_socket
from runsd.signals import Signals
from runsd.sockets import listening_socket
from runsd.sources.collector import Collector
from runsd.sources.mirrors import Mirrors
from runsd.sources.sources import Sources
from runsd.sources.uploads import Uploads
from runsd.store.attempts import Attempts
from runsd.store.audit import Audit
from runsd.store.database import instance_of, open_database
from runsd.store.deliveries import Deliveries
from runsd.store.events import Events
from runsd.store.hooks import Hooks, Payloads
from runsd.store.keys import Keys
from runsd.store.programs import Programs
from runsd.store.projects import Projects
from runsd.store.refusals import Refusals
from runsd.store.retention import Retention
from runsd.store.runs import Runs
from runsd.store.schedules import Schedules
from runsd.store.secrets import Secrets
from runsd.store.sessions import Sessions
from runsd.store.tasks import Tasks
from runsd.store.timers import Reading, Timers
from runsd.store.usage import UsageLines
from runsd.store.volumes import Volumes
from runsd.store.webhooks import Webhooks
from runsd.supervise.acceptance import Acceptance
from runsd.supervise.bridge import Bridge
from runsd.supervise.clockwork import Clockwork
from runsd.supervise.disk import DiskWatch, places_on_disk
from runsd.supervise.health import EngineMonitor
from runsd.supervise.images import Images
from runsd.supervise.janitor import Janitor
from runsd.supervise.pace import Pace
from runsd.supervise.reconcile import Reconciler
from runsd.supervise.sandbox import Workshop
from runsd.supervise.sandboxes import Sandboxes
from runsd.supervise.scheduler import Scheduler
from runsd.supervise.secret_files import SecretFiles
from runsd.supervise.supervisor import Supervisor
from runsd.supervise.timekeeper import Timekeeper
from runsd.supervise.tools import Tools
from runsd.supervise.turns import Turns
from runsd.supervise.usage import UsageMeter
from runsd.supervise.volumes import EngineVolumes
from runsd.tcp import Door, Listener
from runsd.telemetry.service import Telemetry
from runsd.web.app import add_pages
from runsd.webhooks.deliverer import Deliverer
from runsd.webhooks.sender import Sender

log = structlog.get_logger()

_STREAMS_END_S = 2.0


class Endless(Protocol):
    """Whatever has work for as long as the daemon lives."""

    async def serve(self) -> None:
        """Do it."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the daemon listens and where it keeps its files."""

    socket: Path
    data_dir: Path


async def serve(settings: Settings, places: Places) -> None:
    """Run the daemon until SIGTERM or SIGINT.

    Containers are left alone at the end. Raises NotNow when the socket or the data directory is another
    daemon's, and the failure of any service: the daemon would rather be restarted than be half alive.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with ExitStack() as stack:
        stack.enter_context(held(places.data_dir))
        listener = stack.enter_context(listening_socket(places.socket))
        door = None if settings.tcp.listen is None else Door.at(settings.tcp.listen)
        if door is not None:
            stack.callback(door.leave)
        await _serve(settings, places, listener, door, stop)


async def _serve(
    settings: Settings, places: Places, listener: socket.socket, door: Door | None, stop: asyncio.Event
) -> None:
    async with AsyncExitStack() as stack:
        async with notify.long_start():
            db = await open_database(places.data_dir / STATE)
            stack.push_async_callback(db.close)
            logs_db = await open_logs(places.data_dir / LOGS)
            stack.push_async_callback(logs_db.close)
        files = (db, logs_db)
        containers = settings.containers
        confinement = Confinement(containers.runtime, containers.max_processes)
        engine = DockerEngine.at(settings.engine.host, confinement)
        stack.push_async_callback(engine.close)

        instance, hostname, boot = await instance_of(db), socket.gethostname(), boot_id()
        clock, timers = SteadyClock(), Timers(db)
        boots_us = await timers.boots(Reading(boot, clock(), since_boot_us()))
        new_id = Ids(clock).new
        price = settings.billing.price_per_vcpu_second_usd
        capacity = intake.capacity(settings)
        signals, metrics = Signals(), Metrics()
        audit = Audit(db, clock=clock)
        refusals = Refusals(audit)
        stack.push_async_callback(refusals.flush)
        runs = Runs(db, clock=clock, new_id=new_id, hostname=hostname, price_usd=price)
        attempts = Attempts(db, clock=clock)
        projects = await Projects.load(db, clock=clock)
        keys = await Keys.load(db, clock=clock, new_id=new_id)
        stack.push_async_callback(keys.flush)
        volumes = Volumes(db, clock=clock, new_id=new_id)
        keyring = Keyring(settings.secrets.key_file or places.data_dir / KEY)
        secrets = Secrets(db, keyring, clock=clock)
        samples = Samples(logs_db)
        cap = settings.logs.max_bytes_per_attempt
        writer = LogWriter(logs_db, clock=clock, signals=signals, max_bytes=cap)
        host = settings.engine.host
        usage = UsageMeter(engine, samples, host=host, instance=instance, signals=signals, clock=clock)
        engine_here = host.startswith("unix://")
        secret_files = SecretFiles.placed(
            settings.secrets.directory, default_socket().parent / "secrets",
            instance=instance, engine_here=engine_here,
        )  # fmt: skip
        bridge = Bridge(engine, instance=instance, isolate=settings.network.isolate)
        telemetry = Telemetry(
            logs_db, engine, data_dir=places.data_dir, live=attempts.live_attempt, mask_of=secrets.mask,
            networks=bridge.networks, settings=settings.telemetry, engine_here=engine_here, signals=signals,
            clock=clock,
        )  # fmt: skip
        stack.push_async_callback(telemetry.close)

        async def meet(facts: EngineFacts) -> None:
            await usage.fit(facts)
            await bridge.look()
            await telemetry.look()  # before a container is made that would have to know where to send

        monitor = EngineMonitor(
            engine,
            host=host,
            stuck_after_s=settings.engine.unresponsive_seconds,
            clock=clock,
            signals=signals,
            on_return=meet,
        )
        await monitor.ask()
        disk = DiskWatch(
            lambda: places_on_disk(places.data_dir, monitor, host),
            min_free_bytes=settings.retention.free_bytes,
            signals=signals,
        )
        for file in files:
            file.on_refusal = disk.refused
        await disk.look()
        pace = Pace(
            Climb(settings.engine.max_concurrent_starts, begin=2 * (os.cpu_count() or 1)),
            on_low=lambda: signals.notify("queue"),
            on_idle=lambda: signals.notify("sandboxes"),
        )
        sandboxes = Sandboxes(
            Workshop(engine, bridge, instance=instance, new_id=Ids(clock).new), monitor, pace,
            # From afar nobody sees whether the host's name servers are still those of a sandbox; and not
            # every runtime lets its containers join the network namespace of one of the Engine's default.
            most=settings.sandbox.pool if engine_here and containers.runtime is None else 0, signals=signals,
        )  # fmt: skip
        uploads = Uploads(places.data_dir / UPLOADS, max_bytes=settings.sources.upload_bytes, clock=clock)
        git_config = settings.sources.git_config
        mirrors = Mirrors(
            places.data_dir / "sources" / "mirrors",
            timeout_s=settings.sources.git_timeout_seconds,
            max_bytes=settings.sources.repository_bytes,
            local=[Path(each) for each in settings.sources.local],
            config=None if git_config is None else Path(git_config),
        )
        sources = Sources(mirrors, uploads)
        source_collector = Collector(
            mirrors, uploads, in_use=attempts.uploads, keep_days=settings.sources.keep_days
        )
        environments = Environments(
            engine, settings.environments, places.data_dir / "environments",
            instance=instance, clock=clock, in_use=attempts.images,
        )  # fmt: skip
        programs = Programs(db)
        tools = Tools(
            engine=engine,
            attempts=attempts,
            programs=programs,
            volumes=volumes,
            secrets=secrets,
            payloads=Payloads(db),
            secret_files=secret_files,
            sources=sources,
            environments=environments,
            images=Images(engine, inactivity_s=settings.engine.pull_inactivity_seconds),
            logs=writer,
            usage=usage,
            telemetry=telemetry,
            signals=signals,
            clock=clock,
            pace=pace,
            sandboxes=sandboxes,
            bridge=bridge,
            metrics=metrics,
            monitor=monitor,
            engine_here=engine_here,
            boot=boot,
            boots_us=boots_us,
            instance=instance,
            log_max_bytes=cap,
            read_only=containers.read_only,
        )
        supervisor = Supervisor(tools, monitor, on_end=lambda: signals.notify("queue"))
        turns = Turns(attempts, projects, capacity=capacity, prices=settings.billing, clock=clock)
        scheduler = Scheduler(
            attempts,
            supervisor,
            monitor,
            disk,
            pace,
            turns,
            metrics=metrics,
            signals=signals,
            clock=clock,
        )
        engine_volumes = EngineVolumes(engine, volumes, instance=instance)
        reconciler = Reconciler(
            engine, attempts, supervisor, monitor, usage, engine_volumes, secret_files,
            instance=instance, signals=signals, clock=clock,
        )  # fmt: skip
        timekeeper = Timekeeper(timers, boot=boot, clock=clock, signals=signals)
        await timekeeper.catch_up()
        acceptance = Acceptance(
            settings, largest=intake.largest_run(settings),
            projects=projects, sources=sources, secrets=secrets, secret_files=secret_files,
        )  # fmt: skip
        clockwork = Clockwork(
            Schedules(db, runs, clock=clock), acceptance.one,
            check=disk.check, metrics=metrics, signals=signals, clock=clock,
        )  # fmt: skip
        deliveries = Deliveries(db, clock=clock, price_usd=price)
        deliverer = Deliverer(
            deliveries, Sender(allow=settings.webhooks.networks), keyring,
            metrics=metrics, signals=signals, clock=clock,
        )  # fmt: skip
        retention, kept_logs = Retention(db, clock=clock), KeptLogs(logs_db)
        janitor = Janitor(
            retention, kept_logs, deliveries, audit, files,
            projects=projects, forget_sources=uploads.forget_project,
            hurry=lambda: not disk.enough, settings=settings.retention, metrics=metrics, signals=signals,
            clock=clock,
        )  # fmt: skip
        reader = LogReader(logs_db)
        services = Services(
            settings=settings,
            capacity=capacity,
            acceptance=acceptance,
            runs=runs,
            attempts=attempts,
            programs=programs,
            projects=projects,
            keys=keys,
            sessions=await Sessions.load(db, clock=clock),
            audit=audit,
            refusals=refusals,
            events=Events(db),
            hooks=Hooks(db, runs, clock=clock),
            tasks=Tasks(db, clock=clock, new_id=new_id),
            volumes=volumes,
            webhooks=Webhooks(db, keyring, clock=clock, new_id=new_id),
            deliveries=deliveries,
            secrets=secrets,
            engine_volumes=engine_volumes,
            uploads=uploads,
            sources=sources,
            usage_lines=UsageLines(db),
            logs=reader,
            lines=Lines(reader),
            searches=Searches(),
            samples=samples,
            telemetry=telemetry,
            retention=retention,
            kept_logs=kept_logs,
            disk=disk,
            engine=engine,
            monitor=monitor,
            pace=pace,
            scheduler=scheduler,
            turns=turns,
            sandboxes=sandboxes,
            signals=signals,
            metrics=metrics,
            clock=clock,
            instance=instance,
            hostname=hostname,
            tcp_address=None if door is None else door.name,
            usage=usage,
            started_us=clock(),
        )
        app = make_app(services)
        add_pages(app, services)
        runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=_STREAMS_END_S
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        stack.push_async_callback(supervisor.detach)

        listeners: list[Listener] = []
        if door is not None:
            listeners.append(Listener(runner, door, keys, settings=settings.tcp, signals=signals))
        endless: tuple[Endless, ...] = (
            *files,
            keys,
            refusals,
            *listeners,
            writer,
            monitor,
            disk,
            usage,
            telemetry,
            environments,
            source_collector,
            sandboxes,
            timekeeper,
            reconciler,
            scheduler,
            clockwork,
            janitor,
            deliverer,
        )
        async with asyncio.TaskGroup() as group:
            loops = [group.create_task(loop.serve(), name=type(loop).__name__) for loop in endless]
            loops.append(group.create_task(notify.keep_alive(), name="watchdog"))
            _leave_out_of_collections()
            gate = Gate(runner, listener, most=most_connections())
            await gate.start()
            loops.append(group.create_task(gate.serve(), name="gate"))
            for each in listeners:
                await each.look()
            notify.ready()
            log.info("daemon.ready", version=__version__, instance=instance, socket=str(places.socket))
            await stop.wait()
            notify.stopping()
            log.info("daemon.stopping", live=len(supervisor.supervised))
            scheduler.draining = True
            services.draining.set()
            signals.notify("draining")
            await runner.cleanup()
            await supervisor.detach()
            await sandboxes.close()
            await bridge.close()
            await secret_files.close()
            await telemetry.close()
            for loop in loops:
                loop.cancel()
    log.info("daemon.stopped")


def _leave_out_of_collections() -> None:
    """Look for garbage among what is made from now on alone.

    Modules and models are most of all objects and live for ever; to go through them all halts the event loop
    for 40 ms, every few hundred requests.
    """
    gc.collect()
    gc.freeze()
