"""Python runs over HTTP, beyond what they share with others: problems, lock, what a rerun keeps."""

import asyncio
from contextlib import suppress
from typing import Any

from aiohttp import web
from runsd_sdk.run import Run, RunProblem, RunProblems
from runsd_sdk.spec import RunSpec

from runsd import intake, problems
from runsd.api.call import Call, Reply
from runsd.api.streams import TEXT
from runsd.engine.port import Stream
from runsd.errors import EngineError, SecretsLocked
from runsd.store.runs import Kept
from runsd.supervise.naming import container_name
from runsd.supervise.program import problem_lines
from runsd.supervise.secrets import covered_problem
from runsd.telemetry import view


async def page(call: Call) -> Reply:
    """Return the problems of a run, also while it is running."""
    run = await call.services.runs.get(call.project, call.id)
    return Reply(RunProblems(data=await _problems(call, run)))


async def lock(call: Call) -> web.Response:
    """Return the packages of a Python run as a pylock.toml (PEP 751); nothing where none are settled."""
    run = await call.services.runs.get(call.project, call.id)
    return web.Response(text=await call.services.programs.lock(run.id) or "", content_type=TEXT)


def fields_to_change(spec: RunSpec, call: Call) -> dict[str, Any]:
    """Return the fields of a spec to run again: not an image that its version of Python chose."""
    said: dict[str, Any] = spec.model_dump(mode="json", by_alias=True)
    if spec.python and spec.image == intake.python_image(spec.python, call.services.settings):
        del said["image"]
    return said


def kept(before: Run, spec: RunSpec, patch: dict[str, Any]) -> Kept:
    """Return what a rerun has in common with the run before: the commit of its source, and the lock.

    Whoever names a source wants it looked at anew, also if it is the same branch.
    """
    same_source = "source" not in patch
    if before.spec.python is None or spec.python is None:
        return Kept()
    same_packages = _packages(before.spec) == _packages(spec)
    if spec.python.requirements is not None:
        same_packages = same_packages and same_source
    return Kept(commit=before.source_commit if same_source else None, lock=same_packages)


def _packages(spec: RunSpec) -> list[Any]:
    python = spec.python
    return [] if python is None else [spec.image, python.version, python.dependencies, python.requirements]


async def _problems(call: Call, run: Run) -> list[RunProblem]:
    services = call.services
    if run.spec.python is not None and run.status.terminal:
        return list((await services.programs.returned(run.id)).problems)
    told = (await services.telemetry.of_run(run.id)).problems()
    lines = view.problem_lines(told)
    if run.spec.python is None:
        stderr, _ = await services.logs.last_bytes(run.id, run.attempt, Stream.STDERR)
        printed = await asyncio.to_thread(problems.from_stderr, stderr.decode(errors="replace"))
        return problems.public([*problems.grouped(lines), *printed])
    mask, hidden = None, bool(run.spec.secret_names)
    if hidden:
        with suppress(SecretsLocked):
            mask = await services.secrets.mask(run.id)
    if run.started_at is not None and (mask is not None or not hidden):
        with suppress(EngineError):  # it is just going, or the Engine is away: the end will tell
            lines += await problem_lines(services.engine, container_name(run.id, run.attempt))
    seen = problems.public(await asyncio.to_thread(problems.grouped, lines))
    return seen if mask is None else [covered_problem(mask, each) for each in seen]
