"""The doctor: looks at the host before the first run, and says of each trouble how to mend it.

Nothing is changed: the Engine is asked and files are looked at. To prove that it may, it makes a nameless
file in the data directory and a cgroup, which are gone at once.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from runsd.clock import Clock, now_us
from runsd.doctor import databases, engine, host, isolation, keyfile, programs, service, telemetry
from runsd.doctor.engine import Answers
from runsd.doctor.finding import Finding, Subject, Verdict, failure
from runsd.errors import EngineRefused, EngineUnavailable

__all__ = ["Finding", "Subject", "Verdict", "examine", "overall"]

CHECKS: Final[tuple[Callable[[Subject], Finding], ...]] = (
    host.runtime,
    host.open_files,
    host.capacity,
    host.data_directory,
    host.disk,
    databases.databases,
    keyfile.key_file,
    host.credentials,
    programs.git,
    programs.uv,
    service.socket_place,
    service.daemon,
)
"""What can be seen without the Engine."""

ENGINE_CHECKS: Final[tuple[Callable[[Subject, Answers], Finding], ...]] = (
    engine.answers,
    engine.api_version,
    engine.cores,
    engine.limits,
    engine.usage,
    engine.bridge,
    isolation.isolation,
    isolation.neighbours,
    telemetry.telemetry,
    engine.storage,
    engine.disk,
    programs.environments_room,
    engine.log_driver,
    engine.live_restore,
    engine.clock,
)
"""What the Engine's answers show."""


def examine(subject: Subject, *, clock: Clock = now_us) -> list[Finding]:
    """Return every finding, those about the Engine first. Where it does not answer there is one of these."""
    return [*_of_engine(subject, clock), *(check(subject) for check in CHECKS)]


def overall(findings: Sequence[Finding]) -> Verdict:
    """Return the worst verdict."""
    severity = list(Verdict)
    return max((finding.verdict for finding in findings), key=severity.index, default=Verdict.OK)


def _of_engine(subject: Subject, clock: Clock) -> list[Finding]:
    trouble = engine.out_of_reach(subject)
    if trouble is not None:
        return [trouble]
    try:
        answers = asyncio.run(engine.ask(subject, clock))
    except EngineUnavailable as silence:
        return [failure("engine", str(silence), engine.RESTART)]
    except EngineRefused as refusal:
        return [failure("engine", str(refusal), "install a Docker Engine and a runsd that know each other")]
    return [check(subject, answers) for check in ENGINE_CHECKS]
