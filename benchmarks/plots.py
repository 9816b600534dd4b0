"""The pictures of docs/performance.md: which figures they show, and under which names."""

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.figure import Figure
from benchmarks.growth import Curve
from benchmarks.statistic import spread
from benchmarks.svg import Bar, Panel, bars, panels

BARS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "burst": (
        "A burst of no-op runs: runs per second (more is better)",
        {"burst.none": "network none", "burst.bridge": "network bridge"},
    ),
    "single": (
        "One no-op run, submit to result: ms (less is better)",
        {"single.none": "network none", "single.bridge": "network bridge"},
    ),
    "capture": ("Output captured, lines of 81 bytes: MB/s (more is better)", {"capture": "network none"}),
}
CURVES = {
    "queued": "What a longer queue costs",
    "crowd": "What it costs to submit more at once",
    "running": "What more running runs cost",
    "history": "What a longer history costs",
    "followers": "What more followers of one log cost",
}


def plots(figures: Sequence[Figure], curves: Sequence[Curve]) -> Iterator[tuple[str, str]]:
    """Draw what there is to draw; yield a name without suffix and the picture."""
    for name, (title, groups) in BARS.items():
        drawn = [(label, _bars(figures, prefix)) for prefix, label in groups.items()]
        if there := [(label, found) for label, found in drawn if found]:
            yield name, bars(title, there)
    for curve in curves:
        shown = [Panel(title, curve.at, values) for title, values in curve.values.items()]
        yield f"growth-{curve.key}", panels(CURVES[curve.key], shown)


def _bars(figures: Sequence[Figure], prefix: str) -> list[Bar]:
    found = [figure for figure in figures if figure.key.rpartition(".")[0] == prefix]
    ours = [Bar("runsd", spread(found[0].runsd), ours=True)] if found else []
    return ours + [Bar(each.subject.versus or "", spread(each.other), ours=False) for each in found]
