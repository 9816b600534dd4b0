"""Runs over HTTP: create, read, await, change, forget."""

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

import structlog
from pydantic import AfterValidator, AwareDatetime, Field, RootModel
from runsd_sdk.fields import merged
from runsd_sdk.run import Event, Metrics, Phase, Run, RunAttempts, RunBatch, RunResult, Status, Why
from runsd_sdk.spec import RunSpec

from runsd import billing, intake
from runsd.admission import held
from runsd.api import programs
from runsd.api.call import MIB, Call, Query, Reply, validated
from runsd.api.costs import SoFar, so_far
from runsd.clock import instant, micros
from runsd.engine.port import Stream
from runsd.errors import Conflicting, TooLarge
from runsd.signals import woken
from runsd.store.listing import RunFilter
from runsd.store.returned import Returned
from runsd.store.runs import NOWHERE, Origin, Submission, TaskRef
from runsd.supervise.verdict import elsewhere
from runsd.telemetry.view import named
from runsd.why import Account, Surroundings, account, explain

log = structlog.get_logger()

MOST_AGAIN_BYTES = 10 * MIB  # as a batch


def _label(value: str) -> str:
    key, sep, _ = value.partition("=")
    if not key or not sep:
        raise ValueError(f"{value[:80]!r} is not a label filter; write key=value")
    return value


class RunQuery(Query):
    """Which runs to list; ``status`` and ``label`` may be repeated.

    ``text`` is a part of the name, id, image or entrypoint, or of the first 4,096 characters of the command
    or of the arguments; ``batch`` the id of a run: it and those that were submitted together with it.
    """

    status: list[Status] = []
    label: Annotated[list[Annotated[str, AfterValidator(_label)]], Field(max_length=64)] = []
    text: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    name: str | None = None
    task: str | None = None
    batch: Annotated[str, Field(max_length=64)] | None = None
    created_after: AwareDatetime | None = None
    created_before: AwareDatetime | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 50
    cursor: Annotated[str, Field(max_length=64)] | None = None


class QueueQuery(Query):
    """How many live and how many waiting runs to list at most."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 50


class WaitQuery(Query):
    """How long to wait for the end, in seconds."""

    timeout_seconds: Annotated[float, Field(ge=0, le=600)] = 55


class Overrides(RootModel[dict[str, Any]]):
    """A partial RunSpec, applied as a JSON merge patch (RFC 7396)."""


async def create(call: Call) -> Reply:
    """Accept a run."""
    spec: RunSpec = call.body
    return await submit(call, spec, spec.wire())


async def create_batch(call: Call) -> Reply:
    """Accept up to 1,000 runs, all or none."""
    specs = await call.services.acceptance.batch(call.project, call.body.runs)
    submission = Submission(
        call.project, specs, call.idempotency_key, call.fingerprint(call.body.wire()), one=False
    )
    return await _submit_batch(call, submission)


async def rerun(call: Call) -> Reply:
    """Run again, with overrides."""
    before = await call.services.runs.get(call.project, call.id)
    patch: dict[str, Any] = call.body.root
    spec, origin = _again(call, before, patch)
    return await submit(call, spec, patch, trigger="rerun", origin=origin)


async def rerun_batch(call: Call) -> Reply:
    """Run up to 1,000 runs again as they were, all or none; the new ones are a batch."""
    again: list[tuple[RunSpec, Origin]] = []
    ids = dict.fromkeys(call.body.runs)
    size = await call.services.runs.payload_bytes(ids)
    for id in ids:
        again.append(_again(call, await call.services.runs.get(call.project, id), {}))
        size += len(again[-1][0].model_dump_json())
        if size > MOST_AGAIN_BYTES:
            said = f"with what hooks brought them they are more than {MOST_AGAIN_BYTES:,} bytes; name fewer"
            raise TooLarge(f"cannot run these again: {said}")
    specs = await call.services.acceptance.batch(call.project, [spec for spec, _ in again])
    submission = Submission(
        call.project, specs, call.idempotency_key, call.fingerprint(call.body.wire()),
        trigger="rerun", one=False, origins=[origin for _, origin in again],
    )  # fmt: skip
    return await _submit_batch(call, submission)


def _again(call: Call, before: Run, patch: dict[str, Any]) -> tuple[RunSpec, Origin]:
    said = merged(programs.fields_to_change(before.spec, call), patch)
    spec = validated(RunSpec, json.dumps(said).encode())
    task = None if before.task is None else TaskRef(before.task, before.task_version)
    return spec, Origin(before.id, programs.kept(before, spec, patch), task)


async def _submit_batch(call: Call, submission: Submission) -> Reply:
    services = call.services
    accepted = await services.runs.submit(submission, check=services.disk.check)
    announce(call, accepted.runs, replayed=accepted.replayed)
    return Reply(RunBatch(data=accepted.runs), *created(replayed=accepted.replayed))


async def page(call: Call) -> Reply:
    """List runs, newest first."""
    query: RunQuery = call.query
    batch = None if query.batch is None else await call.services.runs.batch(call.project, query.batch)
    task = None if query.task is None else await call.services.tasks.find(call.project, query.task)
    wanted = RunFilter(
        project=call.project,
        statuses=query.status,
        labels=[(key, value) for key, _, value in (label.partition("=") for label in query.label)],
        name=query.name,
        task=query.task if task is None else task.id,
        text=query.text,
        created_after_us=micros(query.created_after) if query.created_after else None,
        created_before_us=micros(query.created_before) if query.created_before else None,
        among=None if batch is None else (batch.id, batch.last_id),
        limit=query.limit,
        cursor=query.cursor,
    )
    return Reply(await call.services.runs.page(wanted))


async def queue(call: Call) -> Reply:
    """Return what of the project holds the host, and what waits, in the order in which it is taken."""
    query: QueueQuery = call.query
    return Reply(await call.services.runs.queue(call.project, limit=query.limit))


async def get(call: Call) -> Reply:
    """Return a run."""
    return Reply(await call.services.runs.get(call.project, call.id))


async def attempts(call: Call) -> Reply:
    """Return a run's attempts."""
    return Reply(RunAttempts(data=await call.services.runs.attempts(call.project, call.id)))


async def batch(call: Call) -> Reply:
    """Say how far the runs are that were submitted together with this one, also when it is deleted since."""
    return Reply(await call.services.runs.batch(call.project, call.id))


async def wait(call: Call) -> Reply:
    """Return the run when it is over, or as it is when the time is up."""
    services = call.services
    ends = asyncio.get_running_loop().time() + call.query.timeout_seconds
    with services.signals.listening(f"over:{call.id}", "draining") as changed:
        while True:
            run = await services.runs.get(call.project, call.id)
            left = ends - asyncio.get_running_loop().time()
            if run.status.terminal or left <= 0 or services.draining.is_set():
                return Reply(run)
            await woken(changed, left)


async def result(call: Call) -> Reply:
    """Return a terminal run with the end of its output."""
    run = await call.services.runs.get(call.project, call.id)
    if not run.status.terminal:
        raise Conflicting(
            f"cannot give the result of {run.id}: it is {run.phase}; await it first", code="not_over"
        )
    out, out_cut = await call.services.logs.last_bytes(run.id, run.attempt, Stream.STDOUT)
    deleted = run.logs.deleted_at is not None
    err, err_cut = await call.services.logs.last_bytes(run.id, run.attempt, Stream.STDERR)
    returned = Returned() if run.spec.python is None else await call.services.programs.returned(run.id)
    return Reply(
        RunResult(
            **dict(run),
            stdout=out.decode("utf-8", "replace"),
            stderr=err.decode("utf-8", "replace"),
            stdout_truncated=out_cut or len(out) < (run.logs.stdout_bytes if deleted else 0),
            stderr_truncated=err_cut or len(err) < (run.logs.stderr_bytes if deleted else 0),
            return_value=None if returned.value is None else json.loads(returned.value),
            problems=list(returned.problems),
        )
    )


async def cancel(call: Call) -> Reply:
    """Ask a run to end; one that is over is answered as it is."""
    run = await call.services.runs.cancel(
        call.project, call.id, on_change=lambda changed: _note_cancel(call, changed)
    )
    ended = [f"over:{call.id}"] if run.status.terminal else []
    call.services.signals.notify(f"ask:{call.id}", f"run:{call.id}", "queue", "events", *ended)
    return Reply(run)


async def change(call: Call) -> Reply:
    """Extend the deadline of a live run, or relabel a run."""
    runs, run = call.services.runs, None
    if call.body.timeout_seconds is not None:
        intake.check_timeout(call.body.timeout_seconds, call.services.settings)
        run = await runs.extend(call.project, call.id, call.body.timeout_seconds)
    if call.body.labels is not None:
        run = await runs.relabel(call.project, call.id, call.body.labels)
    call.services.signals.notify(f"ask:{call.id}", f"run:{call.id}", "queue", "events")
    return Reply(run)


async def delete(call: Call) -> Reply:
    """Forget a terminal run and its log; its usage stays on the bill."""
    services = call.services
    run = await services.runs.get(call.project, call.id)
    if run.status.terminal:
        await services.retention.mark_logs_deleted([run.id])
        await services.kept_logs.forget(run.id)
    await services.runs.forget(call.project, call.id)
    services.signals.notify(f"run:{call.id}", f"over:{call.id}", "events")
    return Reply(status=HTTPStatus.NO_CONTENT)


async def metrics(call: Call) -> Reply:
    """Return samples and totals of what a run uses."""
    services = call.services
    run = await services.runs.get(call.project, call.id)
    samples = await services.samples.of_run(run.id)
    allocated, used, peak = run.usage.vcpu_seconds, run.usage.cpu_seconds_used, run.usage.memory_peak_bytes
    if run.started_at is not None and not run.status.terminal:
        ran_s = (services.clock() - micros(run.started_at)) / 1e6
        allocated += max(0.0, ran_s) * run.spec.resources.requests.cpu_milli / 1000
        used = samples[-1].cpu_seconds if samples else None
        peak = max((sample.memory_bytes for sample in samples), default=None)
    told = await services.telemetry.of_run(run.id)
    calls = told.totals()
    return Reply(
        Metrics(
            samples=samples,
            cpu_seconds_allocated=allocated,
            cpu_seconds_used=used,
            memory_peak_bytes=peak,
            source=run.usage.source or (services.usage.source if samples else None),
            requests=calls.requests if calls else None,
            tokens_in=calls.tokens_in if calls else None,
            tokens_out=calls.tokens_out if calls else None,
            cost_usd=billing.money(costs(call, run).usd),
            calls=list(await services.telemetry.calls(run.id)) if calls else [],
            named=[named(shown) for shown in told.shown()],
            named_truncated=told.more,
        )
    )


def costs(call: Call, run: Run) -> SoFar:
    """Return what a run costs so far."""
    return so_far(run, call.services.clock(), call.services.settings.billing.price_per_vcpu_second_usd)


async def why(call: Call) -> Reply:
    """Say in words why a run is where it is."""
    return Reply(await explained(call, call.id))


async def explained(call: Call, run_id: str) -> Why:
    """Return why a run of the call's project is where it is. Raises Unknown."""
    run = await call.services.runs.get(call.project, run_id)
    return explain(run, await _surroundings(call, run))


async def accounted(call: Call, run: Run) -> Account:
    """Return the same of a run in parts, for who knows a reader's zone and has links."""
    return account(run, await _surroundings(call, run))


async def _surroundings(call: Call, run: Run) -> Surroundings:
    services = call.services
    place = await services.attempts.place(run.id)
    return Surroundings(
        ahead=place.ahead,
        others_wait=place.others,
        held_back=await services.turns.held_back(run) if run.phase is Phase.QUEUED else None,
        free=services.capacity - held(await services.attempts.holding()),
        engine_message=services.monitor.trouble or await _elsewhere(call, run),
        disk_message=services.disk.message,
        not_before=_instant(place.not_before_us),
        now=instant(services.clock()),
        pulled=await _pulled(call, run),
        starts_at_once=services.pace.limit,
        starts_waiting=services.pace.waiting,
    )


async def submit(
    call: Call,
    spec: RunSpec,
    said: Any,
    *,
    trigger: str = "api",
    origin: Origin = NOWHERE,
) -> Reply:
    """Accept one run, whoever started it; ``said`` is what stands for the request when it is repeated."""
    services = call.services
    full = await services.acceptance.one(call.project, spec)
    accepted = await services.runs.submit(
        Submission(
            call.project,
            [full],
            call.idempotency_key,
            call.fingerprint(said),
            [origin],
            trigger=trigger,
        ),
        check=services.disk.check,
    )
    if not accepted.runs:
        raise Conflicting(
            "cannot repeat this request: the run that it made has been deleted; send a fresh key"
        )
    announce(call, accepted.runs, replayed=accepted.replayed)
    run = accepted.runs[0]
    status, headers = created(replayed=accepted.replayed)
    return Reply(run, status, {**headers, "Location": f"/v1/runs/{run.id}"})


def announce(call: Call, runs: Sequence[Run], *, replayed: bool) -> None:
    """Tell whoever waits for runs that there are some."""
    if not replayed:
        if len(runs) == 1:
            log.info("run.submitted", run=runs[0].id)
        else:
            log.info("runs.submitted", runs=[run.id for run in runs])
        call.services.metrics.submitted.inc(len(runs))
        call.services.signals.notify("queue", "events")


def created(*, replayed: bool) -> tuple[HTTPStatus, dict[str, str]]:
    """Return the status and headers of an answer to what has been made, now or by an earlier request."""
    return (HTTPStatus.OK, {"Idempotency-Replayed": "true"}) if replayed else (HTTPStatus.CREATED, {})


def _instant(us: int | None) -> datetime | None:
    return None if us is None else instant(us)


async def _elsewhere(call: Call, run: Run) -> str | None:
    """Say so when the run's container is on another Engine than the one that answers."""
    work, present = await call.services.attempts.work(run.id), call.services.monitor.identity
    if work is None or work.engine in (None, present):
        return None
    return elsewhere(work.engine, present)


async def _pulled(call: Call, run: Run) -> dict[str, int]:
    if run.phase is not Phase.PULLING:
        return {}
    told: Event | None = await call.services.events.latest(run.id, "run.pull_progress")
    return told.data if told else {}


def _note_cancel(call: Call, run: Run) -> None:
    if run.status.terminal and run.reason is not None:
        call.services.metrics.count_outcome(run.status, run.reason)
        log.info("run.finished", run=run.id, status=run.status.value, reason=run.reason.value)
    else:
        log.info("run.stopping", run=run.id, reason="cancelled")
