"""What is examined, and what is found."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from runsd.config import Settings


class Verdict(StrEnum):
    """How bad it is, in ascending order."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what it is like, in a sentence, and what to do about it."""

    name: str
    verdict: Verdict
    said: str
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """The daemon-to-be: its settings, its places, its environment. ``patience_s`` bounds each silence."""

    settings: Settings
    socket: Path
    data_dir: Path
    environment: Mapping[str, str]
    patience_s: float = 10.0


def ok(name: str, said: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(name, Verdict.OK, said)


def warning(name: str, said: str, remedy: str) -> Finding:
    """Return a finding that runs can live with."""
    return Finding(name, Verdict.WARNING, said, remedy)


def failure(name: str, said: str, remedy: str) -> Finding:
    """Return a finding that keeps runs, or the daemon, from working."""
    return Finding(name, Verdict.FAILURE, said, remedy)
