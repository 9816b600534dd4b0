"""Python runs: how much later their caller knows than of the same program in an image."""

import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import images

from benchmarks.bench import Bench
from benchmarks.daemon import ROOMY, SMALL, Daemon, daemon
from benchmarks.figure import Figure
from benchmarks.goals import figure
from benchmarks.rounds import alternate, say
from benchmarks.statistic import quantile

PROGRAM = "import tiny\n\n\ndef one():\n    return 1\n"
KINDS = {"file": {"file": "program.py"}, "function": {"function": "program.py:one"}}


def programs(bench: Bench) -> Iterator[Figure]:
    """Measure runs of a file and of a function, in an environment that is there, beside a plain run."""
    say("Python runs")
    with tempfile.TemporaryDirectory(prefix="runsd-bench-") as folder:
        _wheel(Path(folder) / "wheels")
        (Path(folder) / "source").mkdir()
        (Path(folder) / "source" / "program.py").write_text(PROGRAM)
        places = {
            "RUNSD_ENVIRONMENTS__NO_INDEX": "true",
            "RUNSD_ENVIRONMENTS__FIND_LINKS": str(Path(folder) / "wheels"),
        }
        with daemon({**ROOMY, **places}) as ours:
            yield from _measured(bench, ours, Path(folder) / "source")


def _measured(bench: Bench, ours: Daemon, source: Path) -> Iterator[Figure]:
    common: dict[str, Any] = {"image": images.PYTHON_3_11, "network": "none", "resources": SMALL}
    upload = {"upload": ours.client.upload(source).id}
    specs: dict[str, dict[str, Any]] = {"plain": {**common, "command": ["python", "-c", "pass"]}}
    for kind, entrypoint in KINDS.items():
        python = {"dependencies": ["tiny"], "entrypoint": entrypoint}
        specs[kind] = {**common, "source": upload, "python": python}
    for spec in specs.values():
        _ms(ours, spec)  # the first one makes the environment
    rounds = [
        alternate(specs, lambda spec: _ms(ours, spec), rounds=bench.scale.singles)
        for _ in range(bench.scale.rounds)
    ]
    p50 = {name: [quantile(taken[name], 0.5) for taken in rounds] for name in specs}
    for kind in KINDS:
        more = [mine - plain for mine, plain in zip(p50[kind], p50["plain"], strict=True)]
        note = f"{bench.scale.singles} runs a round; the plain one takes {quantile(p50['plain'], 0.5):.0f} ms"
        yield figure(f"python.{kind}", more, note=note)


def _ms(ours: Daemon, spec: dict[str, Any]) -> float:
    begun = time.perf_counter()
    ours.client.create_and_wait(check=True, timeout=300, **spec)
    took = time.perf_counter() - begun
    ours.settle()
    return 1000 * took


def _wheel(folder: Path) -> None:
    """Make a package that has nothing in it."""
    folder.mkdir()
    about = "tiny-1.0.dist-info"
    with zipfile.ZipFile(folder / "tiny-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny.py", "")
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        wheel.writestr(
            f"{about}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr(
            f"{about}/RECORD", f"tiny.py,,\n{about}/METADATA,,\n{about}/WHEEL,,\n{about}/RECORD,,\n"
        )
