"""Answers of the API as JSON, for tests that never meet a daemon."""

from typing import Any

from runsd_sdk.host import Problem
from runsd_sdk.run import LogEntry, Run, RunResult

NOW = "2026-11-22T01:09:25.928000Z"


def run_json(**changes: Any) -> dict[str, Any]:
    return {
        "id": "run_01a",
        "project": "default",
        "name": None,
        "labels": {},
        "status": "running",
        "phase": "running",
        "reason": None,
        "message": None,
        "exitCode": None,
        "oomKilled": False,
        "attempt": 1,
        "createdAt": NOW,
        "startedAt": NOW,
        "finishedAt": None,
        "deadlineAt": NOW,
        "spec": {"image": "alpine"},
        "image": {"reference": "alpine"},
        "usage": {},
        "logs": {},
        "trigger": "api",
        "rerunOf": None,
        "task": None,
        "hostname": "here",
        **changes,
    }


def ended(**changes: Any) -> dict[str, Any]:
    base = {"status": "succeeded", "phase": "finished", "reason": "exited", "exitCode": 0, "finishedAt": NOW}
    return run_json(**{**base, **changes})


def result_json(**changes: Any) -> dict[str, Any]:
    output = {"stdout": "", "stderr": "", "stdoutTruncated": False, "stderrTruncated": False}
    return {**ended(**changes), **output}


def run(**changes: Any) -> Run:
    return Run.model_validate(run_json(**changes))


def result(**changes: Any) -> RunResult:
    return RunResult.model_validate(result_json(**changes))


def entry(cursor: str, text: str = "line\n") -> LogEntry:
    return LogEntry.model_validate({"cursor": cursor, "time": NOW, "stream": "stdout", "text": text})


def problem(status: int, detail: str = "cannot do it: reasons") -> Problem:
    return Problem(title="No", status=status, detail=detail, code="no")
