"""Runs programs by the runner, and by plain Python beside it, in folders of their own."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

RUNNER = Path(__file__).resolve().parents[3] / "runsd" / "runner.py"
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}


@dataclass(frozen=True)
class Ended:
    """What a program left: how it ended, what it wrote, and what the runner kept."""

    exit_code: int
    stdout: str
    stderr: str
    result: Any = None
    problems: bytes = b""

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.problems.splitlines()]


def write(source: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))


def run(
    source: Path, entrypoint: dict[str, Any], *, python: str = sys.executable, cwd: Path | None = None
) -> Ended:
    """Run an entrypoint by the runner, as a container does."""
    out = source.parent / "out"
    out.mkdir(exist_ok=True)
    job = json.dumps({"entrypoint": entrypoint, "source": str(source), "out": str(out)})
    ended = plain(cwd or source, str(RUNNER), job[:40], job[40:], python=python)
    result, problems = out / "result.json", out / "problems.jsonl"
    return Ended(
        ended.exit_code,
        ended.stdout,
        ended.stderr,
        json.loads(result.read_text()) if result.exists() else None,
        problems.read_bytes() if problems.is_file() else b"",
    )


def plain(cwd: Path, *args: str, python: str = sys.executable) -> Ended:
    """Run Python itself."""
    ended = subprocess.run(
        [python, "-S", *args],  # without site-packages: it starts in half the time
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())
