"""Names and labels by which runsd knows its containers again."""

import re
from collections.abc import Mapping

INSTANCE = "io.runsd.instance"
RUN = "io.runsd.run"
ATTEMPT = "io.runsd.attempt"
VOLUME = "io.runsd.volume"
SANDBOX = "io.runsd.sandbox"


_NAME = re.compile(r"runsd-([0-9a-z]{26})-(\d{1,9})", re.ASCII)
_SANDBOX_NAME = re.compile(r"runsd-sandbox-[0-9a-z]{26}", re.ASCII)


def container_name(run_id: str, attempt: int) -> str:
    """Return the one name that an attempt's container can have."""
    return f"runsd-{run_id.removeprefix('run_')}-{attempt}"


def sandbox_name(id: str) -> str:
    """Return the name of the container of a sandbox with that id (``sandbox_…``)."""
    return f"runsd-{id.replace('_', '-')}"


def own_network(instance: str) -> str:
    """Return the name of the network in which an installation keeps its runs apart."""
    return f"runsd-{instance}"


def is_sandbox_name(name: str) -> bool:
    """Say whether a container's name is a sandbox's: a label alone may come from an image."""
    return _SANDBOX_NAME.fullmatch(name) is not None


def attempt_of_name(name: str) -> tuple[str, int] | None:
    """Read run and attempt from an attempt's name, if it is one."""
    found = _NAME.fullmatch(name)
    return (f"run_{found[1]}", int(found[2])) if found else None


def container_labels(instance: str, run_id: str, attempt: int) -> dict[str, str]:
    """Return the labels of an attempt's container."""
    return {INSTANCE: instance, RUN: run_id, ATTEMPT: str(attempt)}


def attempt_of(labels: Mapping[str, str]) -> tuple[str, int] | None:
    """Read run and attempt from a container's labels, if they are there and sound."""
    attempt = labels.get(ATTEMPT, "")
    return (labels[RUN], int(attempt)) if RUN in labels and attempt.isdecimal() else None
