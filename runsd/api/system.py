"""The daemon about itself: health, info, metrics."""

from aiohttp import web
from runsd_sdk.host import Capacity, DiskHealth, EngineState, Health, Info, Sandboxes, Spent, Starts

from runsd import __version__, billing
from runsd.admission import Resources, held
from runsd.api.call import Call, Reply
from runsd.clock import instant
from runsd.metrics import CONTENT_TYPE
from runsd.supervise.disk import DiskWatch


async def health(call: Call) -> Reply:
    """Say whether daemon and Engine are well; an answer at all means that the daemon is."""
    services = call.services
    engine = services.monitor.health
    message = services.disk.message
    if engine.message:
        trouble = "does not answer" if not engine.reachable else "is stuck"
        message = f"runsd is well, but the Docker Engine {trouble}: runs are kept and go on when it is well"
    status = "draining" if services.draining.is_set() else "ok" if message is None else "degraded"
    return Reply(
        Health(
            status=status,
            engine=engine,
            disks=_disks(services.disk),
            telemetry=services.telemetry.health,
            admitting=services.scheduler.admitting,
            message=message,
        )
    )


async def info(call: Call) -> Reply:
    """Describe the daemon, what it may give out, and what of it the project has."""
    services = call.services
    holding = await services.attempts.holding(project=call.project)
    everybodys = held(await services.attempts.holding())
    pace, sandboxes = services.pace, services.sandboxes
    return Reply(
        Info(
            version=__version__,
            instance=services.instance,
            hostname=services.hostname,
            engine=services.monitor.health,
            capacity=_capacity(services.capacity),
            in_use=_capacity(held(holding)),
            free=_capacity(services.capacity - everybodys),
            largest_run=_capacity(services.acceptance.largest),
            project=call.project,
            queued=await services.attempts.queued(project=call.project),
            live=len(holding),
            spent=await _spent(call),
            usage_source=services.usage.source,
            starts=Starts(now=pace.starting, most=pace.limit, waiting=pace.waiting),
            sandboxes=Sandboxes(idle=sandboxes.idle, lent=sandboxes.lent, most=sandboxes.most),
            started_at=instant(services.started_us),
        )
    )


async def metrics(call: Call) -> web.Response:
    """Return the daemon's figures, of all projects together, as Prometheus text."""
    services, figures = call.services, call.services.metrics
    holding = await services.attempts.holding()
    in_use = held(holding)
    figures.engine_up.set(services.monitor.reachable)
    figures.engine_stuck.set(services.monitor.health.state is EngineState.STUCK)
    figures.sandboxes.labels("idle").set(services.sandboxes.idle)
    figures.sandboxes.labels("lent").set(services.sandboxes.lent)
    figures.admitting.set(services.scheduler.admitting)
    figures.queued.set(await services.attempts.queued())
    figures.live.set(len(holding))
    figures.starts.set(services.pace.starting)
    figures.starts_limit.set(services.pace.limit)
    figures.starts_waiting.set(services.pace.waiting)
    figures.cpu_capacity.set(services.capacity.cpu_milli / 1000)
    figures.cpu_in_use.set(in_use.cpu_milli / 1000)
    figures.memory_capacity.set(services.capacity.memory_bytes)
    figures.memory_in_use.set(in_use.memory_bytes)
    for room in services.disk.rooms:
        figures.disk_free.labels(room.place).set(room.free_bytes)
    figures.disk_pressure.set(not services.disk.enough)
    figures.kept_log_bytes.set(await services.kept_logs.used_bytes())
    return web.Response(body=figures.text(), headers={"Content-Type": CONTENT_TYPE})


def _disks(disk: DiskWatch) -> list[DiskHealth]:
    return [
        DiskHealth(
            place=room.place,
            path=str(room.path),
            free_bytes=room.free_bytes,
            min_free_bytes=disk.min_free_bytes,
            short=room.place in disk.short,
        )
        for room in disk.rooms
    ]


async def _spent(call: Call) -> Spent | None:
    used = await call.services.turns.used(call.project)
    if used is None:
        return None
    month, bill = used
    vcpu_seconds = billing.vcpu_seconds(bill.nano_vcpu_s)
    return Spent(month=month, vcpu_seconds=vcpu_seconds, cost_usd=billing.money(bill.cost_usd))


def _capacity(resources: Resources) -> Capacity:
    return Capacity(cpu_milli=resources.cpu_milli, memory_bytes=resources.memory_bytes, gpus=resources.gpus)
