"""Kubernetes quantities are exact, or refused with the remedy."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runsd_sdk.quantity import (
    MAX_CPU_MILLI,
    MAX_MEMORY_BYTES,
    MIN_CPU_MILLI,
    MIN_MEMORY_BYTES,
    cpu_milli,
    format_bytes,
    format_cpu,
    gpu_count,
    memory_bytes,
)

MILLI = st.integers(MIN_CPU_MILLI, MAX_CPU_MILLI)
UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


@pytest.mark.parametrize(
    ("text", "milli"),
    [("500m", 500), ("0.5", 500), ("4", 4000), (4, 4000), (0.25, 250), ("10m", 10), ("1000", 1_000_000)],
)
def test_cpu(text: str | float, milli: int) -> None:
    assert cpu_milli(text) == milli


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "-1",
        "1e9",
        "1e3",
        "NaN",
        "inf",
        "",
        " 1",
        "1 ",
        "1.",
        ".5",
        "5M",
        "m",
        "9m",
        "1001",
        "0.0005",
        "٤",
    ],
)
def test_cpu_that_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"cpu"):
        cpu_milli(text)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), True, None, [], -1.0])
def test_cpu_of_another_type_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"cpu|neither a string nor a number"):
        cpu_milli(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "size"),
    [("512Mi", 512 * 2**20), ("8Gi", 8 * 2**30), ("1G", 10**9), ("6291456", 6 * 2**20), (6291456, 6 * 2**20)],
)
def test_memory(text: str | float, size: int) -> None:
    assert memory_bytes(text) == size


@pytest.mark.parametrize("text", ["8Gb", "8GB", "8g", "512m", "0", "-1Gi", "5Mi", "1e9", "2Pi", "NaN", ""])
def test_memory_that_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="memory"):
        memory_bytes(text)


@given(MILLI)
def test_every_millicore_survives_both_spellings(milli: int) -> None:
    assert cpu_milli(f"{milli}m") == milli
    assert cpu_milli(str(Decimal(milli) / 1000)) == milli
    assert cpu_milli(format_cpu(milli)) == milli


@given(st.floats(0.01, 1000, allow_nan=False).map(lambda cores: round(cores, 3)))
def test_a_number_means_what_its_shortest_spelling_means(cores: float) -> None:
    assert cpu_milli(cores) == Decimal(str(cores)) * 1000


@given(st.integers(7, 999), st.sampled_from(sorted(UNITS)))
def test_a_unit_is_its_factor(count: int, unit: str) -> None:
    size = count * UNITS[unit]
    if size >= MIN_MEMORY_BYTES:
        assert memory_bytes(f"{count}{unit}") == size
    else:
        with pytest.raises(ValueError, match="memory must be between"):
            memory_bytes(f"{count}{unit}")


@given(st.text(max_size=12))
def test_any_text_is_a_quantity_or_a_value_error(text: str) -> None:
    for parse in (cpu_milli, memory_bytes, gpu_count):
        try:
            assert parse(text) >= 0
        except ValueError as error:
            assert str(error)


@given(st.integers() | st.floats() | st.from_regex(r"[0-9.eE+-]{1,40}[a-zA-Z]{0,2}", fullmatch=True))
def test_any_number_is_a_quantity_within_bounds_or_a_value_error(value: str | float) -> None:
    for parse, most in ((cpu_milli, MAX_CPU_MILLI), (memory_bytes, MAX_MEMORY_BYTES), (gpu_count, 999)):
        try:
            assert 0 <= parse(value) <= most
        except ValueError as error:
            assert str(error)


def test_gpus_are_whole() -> None:
    assert [gpu_count(count) for count in ("0", 2, "16")] == [0, 2, 16]
    for wrong in ("0.5", "-1", "all", "1000"):
        with pytest.raises(ValueError, match="number of GPUs"):
            gpu_count(wrong)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (7340032, "7.0 MiB"), (2**41, "2.0 TiB")],
)
def test_bytes_for_people(size: int, text: str) -> None:
    assert format_bytes(size) == text
