"""What was measured, for people and for programs: a table, and a JSON document that keeps everything."""

import dataclasses
import json
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import engine

from benchmarks.daemon import DISK
from benchmarks.figure import Compared, Figure
from benchmarks.goals import GOALS
from benchmarks.growth import Curve
from benchmarks.statistic import quantile, spread

RESULTS = Path(__file__).resolve().parent / "results"
HEAD = ("figure", "runsd", "beside", "ratio or value: median [min … max]", "goal", "met")
MET = {True: "yes", False: "NO", None: ""}


def machine() -> dict[str, Any]:
    """Say what was measured on, as far as it matters."""
    facts = engine.ask(engine.address(), "/info")
    return {
        "when": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "cores": os.cpu_count(),
        "processor": _processor(),
        "kernel": platform.release(),
        "engine": facts["ServerVersion"],
        "cgroups": facts.get("CgroupVersion", "1"),
        "docker": _version("docker", "--version"),
        "podman": _version("podman", "--version"),
        "python": platform.python_version(),
        "sync_ms": round(1000 * _sync_s(), 3),
        "load": round(os.getloadavg()[0], 2),
    }


def document(scale: str, machine: Mapping[str, Any], figures: Sequence[Figure]) -> dict[str, Any]:
    """Return everything that was measured, as JSON's own types."""
    return {"scale": scale, "machine": dict(machine), "figures": [_as_json(each) for each in figures]}


def growth_document(machine: Mapping[str, Any], curves: Sequence[Curve]) -> dict[str, Any]:
    """Return curves as JSON's own types."""
    return {"machine": dict(machine), "curves": [dataclasses.asdict(curve) for curve in curves]}


def figures_of(document: Mapping[str, Any]) -> list[Figure]:
    """Read back what ``document`` wrote; the goals are today's."""
    return [
        Figure(each["key"], GOALS[each["key"]], each["runsd"], each["other"], each["note"])
        for each in document["figures"]
        if each["key"] in GOALS
    ]


def curves_of(document: Mapping[str, Any]) -> list[Curve]:
    """Read back what ``growth_document`` wrote."""
    return [Curve(**curve) for curve in document["curves"]]


def save(name: str, document: Mapping[str, Any], *, folder: Path = RESULTS) -> Path:
    """Write a document beside the code, where git does not look."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    return path


def rows(figures: Sequence[Figure]) -> list[tuple[str, ...]]:
    """Return the table's rows, in the order of the goals."""
    order = list(GOALS)
    return [_row(figure) for figure in sorted(figures, key=lambda figure: order.index(figure.key))]


def table(rows: Sequence[tuple[str, ...]], head: tuple[str, ...] = HEAD) -> str:
    """Lay rows out for a terminal."""
    lines = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    laid = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    return "\n".join(
        line.rstrip() for line in [laid[0], "  ".join("-" * width for width in widths), *laid[1:]]
    )


def markdown(rows: Sequence[tuple[str, ...]], head: tuple[str, ...] = HEAD) -> Iterator[str]:
    """Lay rows out for a page."""
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def number(value: float) -> str:
    """Write a number with three digits that mean something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _row(figure: Figure) -> tuple[str, ...]:
    subject, compared = figure.subject, figure.spread
    ours = f"{number(spread(figure.runsd).median)} {subject.unit}"
    beside = ""
    if subject.compared is Compared.RATIO:
        beside = f"{number(spread(figure.other).median)} {subject.unit}, {subject.versus}"
    title = f"{subject.title} ({figure.note})" if figure.note else subject.title
    reach = f"{number(compared.median)} [{number(compared.low)} … {number(compared.high)}]"
    return title, ours, beside, reach, str(subject.bound or ""), MET[figure.met]


def _as_json(figure: Figure) -> dict[str, Any]:
    compared = figure.spread
    return {
        "key": figure.key,
        "title": figure.subject.title,
        "unit": figure.subject.unit,
        "versus": figure.subject.versus,
        "compared": figure.subject.compared.value,
        "goal": str(figure.subject.bound or ""),
        "note": figure.note,
        "runsd": list(figure.runsd),
        "other": list(figure.other),
        "median": compared.median,
        "low": compared.low,
        "high": compared.high,
        "met": figure.met,
    }


def _processor() -> str:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0].partition(":")[2].strip() if names else platform.machine()


def _sync_s() -> float:
    """Return how long the disk takes to write a page for good."""
    taken = []
    with tempfile.TemporaryFile(dir=DISK) as file:
        for _ in range(50):
            begun = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - begun)
    return quantile(taken, 0.5)


def _version(*command: str) -> str | None:
    if shutil.which(command[0]) is None:
        return None
    said = subprocess.run(command, check=False, capture_output=True, text=True).stdout
    return next((word.rstrip(",") for word in said.split() if word[0].isdigit()), None)
