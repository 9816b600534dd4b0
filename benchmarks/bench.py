"""What every group of figures is given: how much to measure, and against whom."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import docker

from benchmarks.contestants import Command
from benchmarks.figure import Figure
from benchmarks.scale import Scale


@dataclass(frozen=True, slots=True)
class Bench:
    """Contestants that can't be had here are None; the figures that need them are left out."""

    scale: Scale
    engine: docker.APIClient
    docker: Command | None
    podman: Command | None


Group = Callable[[Bench], Iterable[Figure]]
