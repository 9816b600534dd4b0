"""The example's trainer learns from the past alone."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

TRAIN = Path(__file__).resolve().parents[2] / "examples" / "walk_forward" / "train.py"


@pytest.fixture(scope="module")
def train() -> ModuleType:
    spec = importlib.util.spec_from_file_location("walk_forward_train", TRAIN)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_windows_follow_one_another_and_no_outcome_of_the_past_lies_in_them(train: ModuleType) -> None:
    table = list(train.make_table())
    ends = 0
    for fold in range(train.FOLDS):
        past, window = train.split(table, fold)
        first, last = window[0].at, window[-1].at + train.AHEAD
        assert max(row.at + train.AHEAD for row in past) == first - 1
        assert last - first + 1 == train.WINDOW_MONTHS
        assert first == ends or fold == 0
        ends = last + 1
    assert ends == 61 * 12


def test_what_comes_later_changes_nothing_that_is_learned(
    train: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "EPOCHS", 3)
    table = list(train.make_table())
    _, window = train.split(table, 4)
    begin = window[0].at
    changed = [row if row.at + train.AHEAD < begin else row._replace(later=row.later + 9) for row in table]
    assert changed != table

    def learned(rows: list[object]) -> list[float]:
        known, _ = train.split(rows, 4)
        usual = train.climatology(known)
        return train.fit([train.as_example(row, usual) for row in known], train.RIDGES[0])

    assert learned(changed) == learned(table)


def test_the_feature_table_is_made_once_and_read_again(
    train: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = train.feature_table(tmp_path)
    monkeypatch.setattr(train, "make_table", None)
    assert train.feature_table(tmp_path) == made == [train.Row(*row) for row in made]
    assert len(list(tmp_path.glob("*.json"))) == 1
