"""``runs show``, ``why`` and ``result``: one run in full."""

import json as jsons
import shlex
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from runsd.cli import durations, session
from runsd.cli.options import JsonFlag, RunId
from runsd.cli.select import run_id

if TYPE_CHECKING:
    from runsd_sdk import Run, RunResult


def show(id: RunId, *, json: JsonFlag = False) -> None:
    """Show what was asked, what came of it, what it costs."""
    with session.connected() as client:
        from runsd.cli import output

        run = client.get(run_id(client, id))
        if json:
            output.document(run)
        else:
            output.fields((*_outcome(run), *_request(run), *_use(run)))


def why(id: RunId, *, json: JsonFlag = False) -> None:
    """Say why a run is pending or ended, and what to do."""
    with session.connected() as client:
        from runsd.cli import output

        found = client.why(run_id(client, id))
        if json:
            output.document(found)
        else:
            output.line(found.summary)
            output.lines(f"  {detail}" for detail in found.details)
            output.lines([f"next: {found.next_step}"] if found.next_step else [])


def result(id: RunId, *, json: JsonFlag = False) -> None:
    """Print the end of what a finished run wrote."""
    with session.connected() as client:
        from runsd.cli import output

        found = client.result(run_id(client, id))
        if json:
            output.document(found)
        else:
            _write(found)


def _write(found: "RunResult") -> None:
    if found.spec.python is not None and found.spec.python.entrypoint.function is not None:
        _write_value(found)
        return
    sys.stdout.write(found.stdout)
    sys.stdout.flush()
    sys.stderr.write(found.stderr)
    if found.stdout_truncated or found.stderr_truncated:
        session.say(f"this is only the end; runs logs {found.id} -n all prints everything")


def _write_value(found: "RunResult") -> None:
    """Print what a function returned: that is its result, and what it wrote is its log."""
    from runsd_sdk import Status

    from runsd.cli import output

    if found.status is not Status.SUCCEEDED:
        session.say(f"{found.id} {found.message}; runs problems {found.id} and runs logs {found.id} say more")
    else:
        output.line(jsons.dumps(found.return_value, indent=2, ensure_ascii=False))


def problems(id: RunId, *, json: JsonFlag = False) -> None:
    """Print the exceptions that a run met, also while it is running."""
    with session.connected() as client:
        from runsd.cli import output

        found = client.problems(run_id(client, id))
        if json:
            output.document(found)
            return
        for each in found.data:
            times = f", {each.count} times" if each.count > 1 else ""
            output.line(f"{each.type}: {each.message} ({each.origin}{times})")
            output.lines(f"  {line}" for line in each.stacktrace.splitlines())


def _outcome(run: "Run") -> Iterator[tuple[str, str]]:
    from runsd.cli import output

    yield "id", run.id
    yield "name", run.name or ""
    yield "state", output.state(run)
    yield "message", run.message or ""
    yield "exit code", "" if run.exit_code is None else str(run.exit_code)
    yield "out of memory", "a process was killed for memory" if run.oom_killed else ""
    yield "attempt", str(run.attempt) if run.attempt > 1 else ""
    yield "created", f"{output.local(run.created_at)} by {run.trigger}"
    yield "started", output.local(run.started_at)
    yield "finished", output.local(run.finished_at)
    yield "deadline", "" if run.status.terminal else output.local(run.deadline_at)
    yield "rerun of", run.rerun_of or ""
    yield "scheduled", output.local(run.scheduled_at)
    yield "task", "" if run.task is None else f"{run.task}, version {run.task_version}"


def _request(run: "Run") -> Iterator[tuple[str, str]]:
    spec, requests = run.spec, run.spec.resources.requests
    yield "image", run.image.digest or run.image.reference
    yield from _program(run)
    yield "command", shlex.join(spec.command or ())
    yield "args", shlex.join(spec.args or ())
    yield "env", "\n".join(f"{key}={value}" for key, value in spec.env.items())
    gpus = f", {requests.gpu} gpus" if requests.gpus else ""
    yield "resources", f"{requests.cpu} cpus, {requests.memory} memory{gpus}"
    mounts = [(m.volume_id, m.mount_path, ":ro" if m.read_only else "") for m in spec.volume_mounts]
    yield "volumes", "\n".join(f"{volume}:{path}{mode}" for volume, path, mode in mounts)
    yield "timeout", durations.written(spec.timeout_seconds)
    yield "labels", "\n".join(f"{key}={value}" for key, value in run.labels.items())


def _program(run: "Run") -> Iterator[tuple[str, str]]:
    python, source = run.spec.python, run.spec.source
    if python is None:
        return
    entry = python.entrypoint
    named = [f"{key}={value!r}" for key, value in entry.kwargs.items()]
    called = ", ".join([*map(repr, entry.args), *named])
    if entry.function is not None:
        yield "function", f"{entry.function}({called})"
    else:
        started = ["-m", entry.module] if entry.module is not None else [entry.file or ""]
        yield "program", shlex.join([*started, *map(str, entry.args)])
    file = [python.requirements] if python.requirements is not None else []
    yield "packages", ", ".join([*python.dependencies, *file])
    if source is not None and source.git is not None:
        yield "source", f"{source.git.url} {source.git.ref or ''}".strip()
        yield "commit", run.source_commit or ""
    elif source is not None:
        yield "source", source.upload or ""


def _use(run: "Run") -> Iterator[tuple[str, str]]:
    from runsd_sdk.quantity import format_bytes

    from runsd.cli import output

    used, logs = run.usage, run.logs
    yield "ran", durations.written(used.duration_seconds) if used.duration_seconds else ""
    if used.cpu_seconds_used is not None:
        yield "cpu used", f"{used.cpu_seconds_used:g} s of {used.vcpu_seconds:g} vCPU-seconds"
    if used.memory_peak_bytes is not None:
        yield "memory peak", format_bytes(used.memory_peak_bytes)
    yield "output", f"{format_bytes(logs.stdout_bytes)} stdout, {format_bytes(logs.stderr_bytes)} stderr"
    yield "cost", output.money(used.cost_usd)
    lines = [
        f"attempt {a.attempt}: {a.duration_seconds:g} s, {a.vcpu_seconds:g} vCPU-seconds, "
        f"{output.money(a.cost_usd)}"
        for a in used.attempts
    ]
    yield "bill", "\n".join(lines) if len(lines) > 1 else ""
