"""The arithmetic and the page of the benchmarks."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from benchmarks import page, report
from benchmarks.figure import Compared, Figure, Subject, at_least, at_most
from benchmarks.goals import GOALS, figure
from benchmarks.growth import Curve
from benchmarks.rounds import alternate, rotated
from benchmarks.statistic import Spread, quantile, ratios, spread


def test_a_spread_is_the_middle_and_both_ends() -> None:
    assert spread([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)
    assert spread([1.0, 2.0]).median == 1.5


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 50), (0.99, 99), (1.0, 100)])
def test_a_quantile_is_the_smallest_value_that_so_many_do_not_exceed(share: float, value: float) -> None:
    assert quantile(range(100, 0, -1), share) == value


def test_no_values_have_neither_spread_nor_quantile() -> None:
    with pytest.raises(ValueError, match="no"):
        quantile([], 0.5)
    with pytest.raises(ValueError, match="no"):
        spread([])


def test_ratios_are_taken_round_by_round() -> None:
    assert ratios([10.0, 30.0], [5.0, 10.0]) == (2.0, 3.0)
    with pytest.raises(ValueError, match="shorter"):
        ratios([1.0, 2.0], [1.0])


def test_contestants_take_turns_and_everyone_begins_once() -> None:
    turns: list[str] = []
    measured = alternate(
        {"a": "a", "b": "b", "c": "c"}, lambda one: turns.append(one) or len(turns), rounds=3
    )
    assert turns == ["a", "b", "c", "b", "a", "c", "c", "a", "b"]
    assert measured == {"a": (1, 5, 8), "b": (2, 4, 9), "c": (3, 6, 7)}
    assert rotated([], 1) == []


@pytest.mark.parametrize(
    ("bound", "value", "met"),
    [(at_least(2), 2.0, True), (at_least(2), 1.9, False), (at_most(2), 2.0, True), (at_most(2), 2.1, False)],
)
def test_a_goal_is_met_on_its_own_side(bound: object, value: float, met: bool) -> None:
    assert Figure("key", Subject("title", "ms", bound), [value]).met is met  # type: ignore[arg-type]


def test_a_figure_with_somebody_beside_it_is_judged_by_the_ratio() -> None:
    one = Figure(
        "key", Subject("title", "runs/s", at_least(1.7), "docker"), [12.0, 14.0, 20.0], [6.0, 7.0, 5.0]
    )
    assert one.subject.compared is Compared.RATIO
    assert one.spread == Spread(2.0, 2.0, 4.0)
    assert one.met


def test_a_table_names_the_goal_and_whether_it_is_met() -> None:
    rows = report.rows([figure("memory.idle", [80.0]), figure("single.none.docker", [100.0], [200.0])])
    assert rows == [
        (
            GOALS["single.none.docker"].title,
            "100 ms",
            "200 ms, docker run --rm",
            "0.5 [0.5 … 0.5]",
            "≤ 0.55",
            "yes",
        ),
        (GOALS["memory.idle"].title, "80 MiB", "", "80 [80 … 80]", "≤ 70", "NO"),
    ]
    assert "met" in report.table(rows).splitlines()[0]


def test_a_document_is_read_back_as_it_was() -> None:
    figures = [figure("cpu.idle", [0.1, 0.3], note="100 runs"), figure("queue.list", [2.0], [1.0])]
    curves = [Curve("queued", "runs", (1, 10), {"a page, ms": (1.0, 2.0)}, "a note")]
    whole = json.loads(json.dumps({
        "bench": report.document("full", {}, figures), "growth": report.growth_document({}, curves),
    }))  # fmt: skip
    assert report.figures_of(whole["bench"]) == [
        figure("cpu.idle", [0.1, 0.3], [], note="100 runs"), figure("queue.list", [2.0], [1.0]),
    ]  # fmt: skip
    assert [(curve.key, curve.at) for curve in report.curves_of(whole["growth"])] == [("queued", [1, 10])]


def test_every_picture_is_a_drawing() -> None:
    figures = [
        figure("burst.none.docker", [12.0, 14.0], [7.0, 6.0]),
        figure("single.bridge.raw", [100.0], [200.0]),
    ]
    curves = [Curve("running", "runs", (1, 10, 100, 300), dict.fromkeys("abcd", (0.0, 0.0, 0.0, 1.0)))]
    drawn = page.pictures({
        "bench": report.document("full", {}, figures), "growth": report.growth_document({}, curves),
    })  # fmt: skip
    assert list(drawn) == ["burst", "single", "growth-running"]
    for picture in drawn.values():
        assert ET.fromstring(picture).tag.endswith("svg")  # noqa: S314


def test_the_page_is_what_was_measured() -> None:
    if not page.DATA.exists():
        assert "Not measured yet." in page.PAGE.read_text()
        return
    data = json.loads(page.DATA.read_text())
    again = "run `PYTHONPATH=scripts .venv/bin/python -m benchmarks.page`"
    assert page.filled(page.PAGE.read_text(), data) == page.PAGE.read_text(), again
    for name, picture in page.pictures(data).items():
        assert (page.PICTURES / f"{name}.svg").read_text() == picture, again


@pytest.mark.parametrize("file", sorted(page.RESULTS.parent.glob("*.py")), ids=lambda file: file.name)
def test_benchmarks_are_clients_like_any_other(file: Path) -> None:
    """They know the SDK and what scripts/ has, nothing of the daemon's insides or the tests."""
    found = re.findall(r"^\s*(?:from|import) (runsd|tests)\b(?!_)", file.read_text(), re.MULTILINE)
    assert not found
