"""Durations and sizes as people type them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runsd_sdk.quantity import memory_bytes

from runsd.cli import durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("2h", 7200), ("1h30m", 5400), ("1.5h", 5400), ("500ms", 0.5), ("1d", 86_400),
     ("30", 30), ("0.5", 0.5), ("0", 0)],
)  # fmt: skip
def test_seconds(text: str, seconds: float) -> None:
    assert durations.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "1x", "-1s", "1h 30m", "1h30", "h1", "1e3s", "٣s", "+1h", "1hm"])
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="90s, 15m, 2h"):
        durations.seconds(text)


def test_a_timeout_is_whole_seconds() -> None:
    assert durations.whole_seconds("1.5m") == 90
    with pytest.raises(ValueError, match="whole number of seconds"):
        durations.whole_seconds("1.5s")


def test_extending_adds_with_a_plus_and_sets_without() -> None:
    assert durations.extended("+1h", 3600) == 7200
    assert durations.extended("3h", 3600) == 10_800


@pytest.mark.parametrize(
    ("size", "quantity"),
    [("512m", "512Mi"), ("4g", "4Gi"), ("4gb", "4Gi"), ("1.5g", "1.5Gi"), ("4Gi", "4Gi"), ("1G", "1G"),
     ("64k", "64Ki"), ("1048576", "1048576"), ("8Gb", "8Gb")],
)  # fmt: skip
def test_docker_sizes_are_binary_and_others_are_left_to_the_quantity(size: str, quantity: str) -> None:
    assert durations.quantity(size) == quantity


@given(st.integers(6, 4096))
def test_docker_megabytes_are_mebibytes(count: int) -> None:
    assert memory_bytes(durations.quantity(f"{count}m")) == count * 1024**2


@pytest.mark.parametrize(
    ("span", "text"),
    [(None, ""), (0.421, "0.42s"), (12.34, "12.3s"), (200, "3m 20s"), (7500, "2h 05m"), (273_600, "3d 4h"),
     (59.97, "60.0s"), (3599.9, "1h 00m"), (-1, "0.00s")],
)  # fmt: skip
def test_written(span: float | None, text: str) -> None:
    assert durations.written(span) == text
