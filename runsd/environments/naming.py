"""Names and labels by which environments, and what is left of their making, are known again."""

import hashlib

ENVIRONMENT = "io.runsd.environment"
"""On an environment image: the installation that made it. Containers inherit it; it says nothing of them."""

BASE = "io.runsd.environment.base"
"""On an environment image: the id of the image that it was made from."""

WORKSHOP = "io.runsd.workshop"
"""On what is only needed while an environment is made; an image that is finished has it empty."""

MAKER = "io.runsd.workshop.maker"
"""On a container that may run for long: which process needs it. That of another one is nobody's any more."""

REPOSITORY = "runsd-env"

FILLED = "runsd-program"
"""The repository of images with files on top of an environment, or of a base."""

LAYOUT = 1
"""Counts up whenever the same lock would make another image."""


def image_name(base_id: str, lock: str) -> str:
    """Return the one name that the image of this lock on that base can have."""
    return f"{REPOSITORY}:{_digest(base_id, lock)}"


def filled_name(below: str, content: str) -> str:
    """Return the one name that the image with that content on top of another can have."""
    return f"{FILLED}:{_digest(below, content)}"


def counted(number: int, noun: str) -> str:
    """Write a number of things for a person: ``1 package``, ``2 packages``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _digest(below: str, content: str) -> str:
    return hashlib.sha256(f"{LAYOUT}\n{below}\n{content}".encode()).hexdigest()[:32]
