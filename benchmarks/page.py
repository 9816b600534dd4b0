"""docs/performance.md: its tables and pictures are drawn from docs/performance.json.

python -m benchmarks.page             draw them again
python -m benchmarks.page --publish   take over the last results first
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.plots import CURVES, plots
from benchmarks.report import RESULTS, curves_of, figures_of, markdown, number, rows

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE, DATA, PICTURES = DOCS / "performance.md", DOCS / "performance.json", DOCS / "performance"
PUBLISHED = {"bench": "full", "growth": "growth", "peers": "peers"}


def main() -> None:
    """Write the page anew."""
    parser = argparse.ArgumentParser(description="draw docs/performance.md from what was measured")
    parser.add_argument("--publish", action="store_true", help="take over the last results first")
    if parser.parse_args().publish:
        DATA.write_text(json.dumps(_taken_over(), indent=1, ensure_ascii=False) + "\n")
    data = json.loads(DATA.read_text())
    PICTURES.mkdir(exist_ok=True)
    for name, picture in pictures(data).items():
        (PICTURES / f"{name}.svg").write_text(picture)
    PAGE.write_text(filled(PAGE.read_text(), data))


def filled(page: str, data: Mapping[str, Any]) -> str:
    """Return the page with what stands between its markers drawn from the data."""
    for name, lines in {"goals": _goals(data), "growth": _growth(data), "peers": _peers(data)}.items():
        text = "".join(f"{line}\n" for line in lines)
        before, _, rest = page.partition(f"<!-- {name} -->\n")
        after = rest.partition(f"<!-- /{name} -->")[2]
        page = f"{before}<!-- {name} -->\n{text}<!-- /{name} -->{after}"
    return page


def pictures(data: Mapping[str, Any]) -> dict[str, str]:
    """Return every picture by its name."""
    figures = figures_of(data["bench"]) if "bench" in data else []
    curves = curves_of(data["growth"]) if "growth" in data else []
    return dict(plots(figures, curves))


def _taken_over() -> dict[str, Any]:
    """Return what is published, each part replaced by its last result where there is one."""
    data = json.loads(DATA.read_text()) if DATA.exists() else {}
    for part, name in PUBLISHED.items():
        path = RESULTS / f"{name}.json"
        if path.exists():
            data[part] = json.loads(path.read_text())
    return data


def _goals(data: Mapping[str, Any]) -> Iterator[str]:
    if "bench" not in data:
        yield "Not measured yet."
        return
    yield _machine(data["bench"]["machine"])
    yield ""
    yield from markdown(rows(figures_of(data["bench"])))
    yield ""
    yield from (f"![{name}](performance/{name}.svg)" for name in pictures({"bench": data["bench"]}))


def _peers(data: Mapping[str, Any]) -> Iterator[str]:
    if "peers" not in data:
        yield "Not measured yet."
        return
    yield _machine(data["peers"]["machine"])
    yield ""
    yield from markdown(rows(figures_of(data["peers"])))


def _growth(data: Mapping[str, Any]) -> Iterator[str]:
    if "growth" not in data:
        yield "Not measured yet."
        return
    yield _machine(data["growth"]["machine"])
    for curve in curves_of(data["growth"]):
        yield ""
        yield f"### {CURVES[curve.key]}{f' ({curve.note})' if curve.note else ''}"
        yield ""
        lines = [(name, *(number(value) for value in values)) for name, values in curve.values.items()]
        yield from markdown(lines, (curve.of, *(f"{count:,}" for count in curve.at)))
        yield ""
        yield f"![{CURVES[curve.key]}](performance/growth-{curve.key}.svg)"


def _machine(facts: Mapping[str, Any]) -> str:
    tools = [f"{name} {facts[name]}" for name in ("docker", "podman", "python") if facts[name]]
    return (
        f"Measured on {facts['when'][:10]}: {facts['cores']} cores ({facts['processor']}), "
        f"Linux {facts['kernel']}, Engine {facts['engine']}, {', '.join(tools)}. "
        f"A durable write of 4 KiB takes {facts['sync_ms']} ms. Load before it began: {facts['load']}."
    )


if __name__ == "__main__":
    main()
