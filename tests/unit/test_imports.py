"""Imports only go down: the house of docs and code is the same house."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SDK = ROOT / "sdk" / "python"

LEAVES = {
    "runsd.errors",
    "runsd.config",
    "runsd.clock",
    "runsd.ids",
    "runsd.faults",
    "runsd.files",
    "runsd.keyring",
    "runsd.flights",
    "runsd.migrations",
    "runsd.peers",
    "runsd.processes",
    "runsd.signals",
    "runsd.sqlite",
}
PURE = {
    "runsd.access", "runsd.acts", "runsd.admission", "runsd.billing", "runsd.budget", "runsd.climb",
    "runsd.cron", "runsd.fairness", "runsd.hook", "runsd.mask", "runsd.problems", "runsd.retry", "runsd.run",
    "runsd.schedule",
    *(f"runsd.telemetry.{room}" for room in (
        "amounts", "bucket", "calls", "conventions", "counting", "environment", "exceptions", "facts",
        "reading", "rows", "series", "sums", "veil", "view",
    )),
}  # fmt: skip
BELOW = LEAVES | PURE | {"runsd_sdk"}
STORED = BELOW | {"runsd.store", "runsd.logs", "runsd.engine.port", "runsd.metrics", "runsd.telemetry"}
LOOPS = STORED | {
    "runsd.environments",
    "runsd.sources",
    "runsd.engine.cgroup",
    "runsd.engine.init",
    "runsd.engine.namespace",
    "runsd.engine.pause",
}
"""What the loops may stand on. Of the Engine they know the port, what its init says, and of its host how
cgroups and network namespaces look, and what waits in a sandbox."""

MAY_IMPORT: dict[str, set[str]] = {
    "runsd_sdk": set(),
    "runsd.errors": set(),
    "runsd.clock": set(),
    "runsd.faults": set(),
    "runsd.flights": set(),
    "runsd.signals": set(),
    "runsd.config": {"runsd_sdk", "runsd.errors"},
    "runsd.ids": {"runsd.clock"},
    "runsd.files": {"runsd_sdk.quantity", "runsd.errors"},
    "runsd.keyring": {"runsd.errors", "runsd.faults", "runsd.files"},
    "runsd.datadir": {"runsd.errors"},
    "runsd.migrations": {"runsd.errors", "runsd.faults", "runsd.files"},
    "runsd.sqlite": {"runsd.acts", "runsd.errors", "runsd.faults", "runsd.migrations", "runsd.writer"},
    "runsd.writer": {"runsd.faults"},
    "runsd.logging": set(),
    "runsd.notify": set(),
    "runsd.places": set(),
    "runsd.peers": {"runsd.errors"},
    "runsd.processes": set(),
    "runsd.runner": set(),  # runs in containers; read as text, imported by nobody
    "runsd.sdk": set(),  # so does this
    "runsd.sockets": {"runsd.errors"},
    "runsd.tcp": LEAVES | {"runsd.store.keys", "runsd.api.gate"},
    **{room: {"runsd_sdk", "runsd.errors", "runsd.clock", *PURE} for room in PURE},
    "runsd.metrics": BELOW,
    "runsd.intake": BELOW,
    "runsd.why": BELOW,
    "runsd.tokens": set(),
    "runsd.store": BELOW | {"runsd.tokens"},
    "runsd.engine": BELOW,
    "runsd.sources": BELOW,
    "runsd.logs": BELOW | {"runsd.engine.port"},
    "runsd.environments": BELOW | {"runsd.engine.port"},
    "runsd.telemetry": BELOW | {"runsd.engine.port"},
    "runsd.webhooks": STORED,
    "runsd.supervise": LOOPS | {"runsd.intake"},
    "runsd.api": STORED | {"runsd.supervise", "runsd.intake", "runsd.sources", "runsd.why", "runsd.webhooks"},
    "runsd.web": STORED | {"runsd.api"},
    "runsd.doctor": {"runsd_sdk", *LEAVES, "runsd.admission", "runsd.intake", "runsd.engine"},
    "runsd.doctor.databases": {
        "runsd_sdk",
        *LEAVES,
        "runsd.doctor",
        "runsd.datadir",
        "runsd.store.database",
        "runsd.logs.database",
    },
    "runsd.doctor.keyfile": {"runsd_sdk", *LEAVES, "runsd.doctor", "runsd.datadir"},
    "runsd.doctor.programs": {
        "runsd_sdk",
        *LEAVES,
        "runsd.doctor",
        "runsd.engine",
        "runsd.environments",
    },
    "runsd.cli": {"runsd_sdk", "runsd.config", "runsd.errors"},
    "runsd.cli.runsd": {"runsd_sdk", "runsd", "runsd.cli"},
    "runsd.cli.backup": {"runsd_sdk", *LEAVES, "runsd.places", "runsd.backup", "runsd.restore"},
    "runsd.cli.secrets": {*LEAVES, "runsd.places", "runsd.datadir", "runsd.rotation"},
    "runsd.rotation": LEAVES
    | {"runsd.access", "runsd.acts", "runsd.datadir", "runsd.store.audit", "runsd.store.secrets"},
    "runsd.backup": LEAVES | {"runsd.datadir", "runsd.sources.carried"},
    "runsd.restore": LEAVES
    | {
        "runsd.datadir",
        "runsd.backup",
        "runsd.sources.carried",
        "runsd.store.database",
        "runsd.logs.database",
    },
    "runsd.daemon": {"runsd_sdk", "runsd"},
}
"""Each room, and what it may import besides itself. A module is in the room of the longest name above it."""

IMPURE = {
    "aiohttp", "aiosqlite", "asyncio", "docker", "httpx2", "os", "pathlib",
    "psutil", "random", "socket", "sqlite3", "subprocess", "threading", "time",
}  # fmt: skip


def modules() -> dict[str, Path]:
    """Return every module of daemon, command line and SDK, by its name."""
    files = [(ROOT, file) for file in (ROOT / "runsd").rglob("*.py")]
    files += [(SDK, file) for file in (SDK / "runsd_sdk").rglob("*.py")]
    names = {".".join(file.relative_to(base).with_suffix("").parts): file for base, file in files}
    return {name.removesuffix(".__init__"): file for name, file in names.items()}


MODULES = modules()


def test_there_are_modules_to_check() -> None:
    assert {"runsd.run", "runsd_sdk.spec"} <= MODULES.keys()


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_go_down(name: str) -> None:
    if (room := room_of(name)) is None:
        assert name in ("runsd", "runsd.__main__"), f"{name} has no place in MAY_IMPORT"
        return
    allowed = MAY_IMPORT[room] | {room}
    wrong = [found for found in ours(name) if not any(within(found, place) for place in allowed)]
    assert not wrong, f"{name} is in {room}, which may not import {wrong}"


@pytest.mark.parametrize("name", sorted(PURE & MODULES.keys()))
def test_pure_modules_do_no_io_and_read_no_clock(name: str) -> None:
    tree = ast.parse(MODULES[name].read_text())
    roots = {found.partition(".")[0] for found in imported(name)}
    assert not roots & IMPURE
    assert "now_us" not in MODULES[name].read_text()
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef | ast.Await)]


def room_of(name: str) -> str | None:
    """Return the room that a module is in."""
    return max((room for room in MAY_IMPORT if within(name, room)), key=len, default=None)


def within(name: str, place: str) -> bool:
    """Say whether a module is that place, or below it."""
    return name == place or name.startswith(f"{place}.")


def ours(name: str) -> Iterator[str]:
    """Walk what a module imports of runsd and its SDK; a package's name is not yet one of its modules."""
    for found in imported(name):
        known = next((module for module in (found, found.rpartition(".")[0]) if module in MODULES), None)
        if known not in (None, "runsd"):
            yield known


def imported(name: str) -> Iterator[str]:
    """Walk everything that a module imports, for types only or not, as full names."""
    package = name if MODULES[name].name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else ""
            module = ".".join(part for part in (above, node.module) if part)
            yield from (f"{module}.{alias.name}" for alias in node.names)
