"""Two kinds of picture, written as SVG: bars with their reach, and small panels of curves."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from benchmarks.statistic import Spread

WIDTH = 760
FONT = "font-family='system-ui, sans-serif' font-size='12'"
INK, FAINT, OURS, THEIRS = "#1f2937", "#9ca3af", "#0f766e", "#cbd5e1"
BAR, GAP, LABEL, RIGHT = 18, 8, 250, 80
PANEL_W, PANEL_H, PANELS_A_ROW = 236, 170, 3


@dataclass(frozen=True, slots=True)
class Bar:
    """One value with its reach; ``ours`` is drawn in our colour."""

    label: str
    spread: Spread
    ours: bool


@dataclass(frozen=True, slots=True)
class Panel:
    """One quantity over a number of things."""

    title: str
    at: Sequence[int]
    values: Sequence[float]


def bars(title: str, groups: Sequence[tuple[str, Sequence[Bar]]]) -> str:
    """Draw groups of horizontal bars on one scale that begins at zero; a line shows minimum to maximum."""
    most = max(bar.spread.high for _, group in groups for bar in group)
    scale = (WIDTH - LABEL - RIGHT) / most
    parts, y = [_text(8, 20, title, weight="bold")], 44
    for name, group in groups:
        parts.append(_text(8, y, name, fill=FAINT))
        y += 10
        for bar in group:
            parts += _bar(bar, y, scale)
            y += BAR + GAP
        y += 22
    return _svg(y - 12, parts)


def panels(title: str, panels: Sequence[Panel]) -> str:
    """Draw each quantity in a panel of its own, the number of things growing tenfold by equal steps."""
    parts = [_text(8, 20, title, weight="bold")]
    for number, panel in enumerate(panels):
        left = 8 + number % PANELS_A_ROW * (PANEL_W + 14)
        top = 36 + number // PANELS_A_ROW * (PANEL_H + 16)
        parts += _panel(panel, left, top)
    return _svg(40 + math.ceil(len(panels) / PANELS_A_ROW) * (PANEL_H + 16), parts)


def _bar(bar: Bar, y: float, scale: float) -> Iterator[str]:
    middle, spread = y + BAR / 2, bar.spread
    yield _text(LABEL - 8, middle + 4, bar.label, anchor="end")
    fill = OURS if bar.ours else THEIRS
    yield f"<rect x='{LABEL}' y='{y}' width='{spread.median * scale:.1f}' height='{BAR}' fill='{fill}'/>"
    yield _line((LABEL + spread.low * scale, middle), (LABEL + spread.high * scale, middle), INK)
    yield _text(LABEL + spread.high * scale + 6, middle + 4, _short(spread.median))


def _panel(panel: Panel, left: float, top: float) -> Iterator[str]:
    x0, y0, width, height = left + 36, top + 24, PANEL_W - 46, PANEL_H - 48
    most = max(panel.values) or 1.0
    reach = math.log10(panel.at[-1] / panel.at[0]) or 1.0
    points = [
        (x0 + math.log10(at / panel.at[0]) / reach * width, y0 + height * (1 - value / most))
        for at, value in zip(panel.at, panel.values, strict=True)
    ]
    yield _text(left, top + 12, panel.title)
    yield _line((x0, y0 + height), (x0 + width, y0 + height), FAINT)
    yield _text(x0 - 4, y0 + 6, _short(most), anchor="end", fill=FAINT)
    yield _text(x0 - 4, y0 + height + 4, "0", anchor="end", fill=FAINT)
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    yield f"<polyline points='{path}' fill='none' stroke='{OURS}' stroke-width='2'/>"
    for (x, y), at in zip(points, panel.at, strict=True):
        yield f"<circle cx='{x:.1f}' cy='{y:.1f}' r='3' fill='{OURS}'/>"
        yield _text(x, y0 + height + 16, _count(at), anchor="middle", fill=FAINT)


def _svg(height: float, parts: Sequence[str]) -> str:
    head = f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height:g}' {FONT}>"
    ground = f"<rect width='{WIDTH}' height='{height:g}' fill='white'/>"
    return "\n".join([head, ground, *parts, "</svg>"]) + "\n"


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", fill: str = INK, weight: str = "normal"
) -> str:
    look = f"text-anchor='{anchor}' fill='{fill}' font-weight='{weight}'"
    return f"<text x='{x:.1f}' y='{y:.1f}' {look}>{escape(text)}</text>"


def _line(start: tuple[float, float], end: tuple[float, float], stroke: str) -> str:
    (x1, y1), (x2, y2) = start, end
    return f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='{stroke}'/>"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _count(at: int) -> str:
    for size, sign in ((1_000_000, "M"), (1000, "k")):
        if at >= size:
            return f"{at / size:g}{sign}"
    return str(at)
