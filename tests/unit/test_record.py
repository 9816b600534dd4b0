"""What the Engine's record makes of cut lines and of bytes that are no characters."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runsd.logs.record import CUT_BYTES, REPLACED, Recorder, Written, as_recorded

euro = "€".encode()
outputs = st.lists(
    st.one_of(
        st.binary(max_size=8),
        st.text(max_size=8).map(str.encode),
        st.just(b"\n"),
        st.just(b"x" * (CUT_BYTES - 2)),
        st.just(euro * (CUT_BYTES // 3)),
    ),
    max_size=12,
).map(b"".join)


def recorded(*pieces: bytes) -> bytes:
    recorder = Recorder()
    return b"".join([recorder.feed(piece) for piece in pieces]) + recorder.finish()


@given(st.text())
def test_characters_are_recorded_as_they_are(text: str) -> None:
    assert as_recorded(text.encode()) == text.encode()


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (b"a\xff\xfeb", b"a" + 2 * REPLACED + b"b"),
        (b"\xe2\x82A", 2 * REPLACED + b"A"),  # a character that was cut short: each of its bytes
        (b"\xed\xa0\x80", 3 * REPLACED),  # a surrogate is no character
        (b"\0\r\n", b"\0\r\n"),
    ],
)
def test_every_other_byte_becomes_the_replacement_character(written: bytes, kept: bytes) -> None:
    assert as_recorded(written) == recorded(written) == kept


@pytest.mark.parametrize("before", [0, 1, 2, 3])
def test_a_character_across_a_cut_is_none_in_either_part(before: int) -> None:
    written = b"line\n" + b"x" * (CUT_BYTES - before) + euro + b"y\n"
    cut = euro if before in (0, 3) else 3 * REPLACED
    assert recorded(written) == b"line\n" + b"x" * (CUT_BYTES - before) + cut + b"y\n"


def test_a_line_is_cut_again_every_16_kib_and_a_newline_begins_anew() -> None:
    long = b"x" * (2 * CUT_BYTES - 1)
    assert recorded(long + euro) == long + 3 * REPLACED
    assert recorded(long + b"\n" + euro) == long + b"\n" + euro


@given(outputs, st.lists(st.integers(0, 120_000), max_size=6))
def test_the_record_is_the_same_in_whatever_pieces_it_came(output: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(output)) for cut in cuts), len(output)]
    pieces = [output[a:b] for a, b in pairwise(edges)]
    assert recorded(*pieces) == recorded(output) == by_lines(output)


def by_lines(output: bytes) -> bytes:
    """Cut and replace in the plainest way."""
    parts = []
    for line in output.split(b"\n"):
        parts.append(b"".join(as_recorded(line[n : n + CUT_BYTES]) for n in range(0, len(line), CUT_BYTES)))
    return b"\n".join(parts)


@given(st.lists(st.text(max_size=40), max_size=20))
def test_what_the_engine_wrote_is_never_more_than_is_counted(lines: list[str]) -> None:
    counted, size, written = Written(), 0, 0
    for line in (line.replace("\n", "") + "\n" for line in lines):
        entry = {"log": line, "stream": "stdout", "time": "2006-01-02T15:04:05.999999999Z"}
        text = json.dumps(entry, ensure_ascii=False, separators=(",", ":"))
        size += len(text.encode()) + 1
        written = counted.feed(line.encode())
    assert written >= size


def test_of_much_plain_text_hardly_more_is_counted_than_there_is() -> None:
    counted, written = Written(), 0
    for _ in range(20_000):
        written = counted.feed(b"x" * 79 + b"\n")
    assert 20_000 * (80 + 60) < written < 20_000 * (80 + 100)
