"""The mask: nothing of a value is seen, however output is cut, and every byte stays in its place."""

import json
import re
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runsd.logs.record import CUT_BYTES, Recorder
from runsd.mask import Mask, Masking

# Few letters, so that values meet, overlap and begin in each other.
LETTERS = st.text("ab*é€🙂", min_size=4, max_size=9)
VALUES = st.lists(LETTERS, min_size=1, max_size=4)


def through(mask: Mask, pieces: list[bytes]) -> bytes:
    masking = Masking(mask)
    return b"".join([*(masking.feed(piece) for piece in pieces), masking.finish()])


def cut(data: bytes, at: list[int]) -> list[bytes]:
    places = sorted({0, *(one % (len(data) + 1) for one in at), len(data)})
    return [data[start:end] for start, end in pairwise(places)]


def occurrences(value: str, text: str) -> list[int]:
    return [found.start() for found in re.finditer(f"(?={re.escape(value)})", text)]


@settings(max_examples=400)
@given(VALUES, st.lists(st.text("ab*é€🙂\n", max_size=8)), st.data(), st.lists(st.integers(0, 400)))
def test_every_occurrence_is_covered_wherever_the_output_is_cut(
    values: list[str], between: list[str], data: st.DataObject, at: list[int]
) -> None:
    text = "".join(part + data.draw(st.sampled_from([*values, ""])) for part in between)
    whole = Mask(values).whole(text.encode())
    assert through(Mask(values), cut(text.encode(), at)) == whole
    shown = whole.decode()
    assert [len(one.encode()) for one in shown] == [len(one.encode()) for one in text]
    hidden = {n for value in values for m in occurrences(value, text) for n in range(m, m + len(value))}
    for n, (one, before) in enumerate(zip(shown, text, strict=True)):
        assert (one == before) or n in hidden
        assert n not in hidden or one in "*¤•🔒"


@given(st.lists(st.text("ab", min_size=4, max_size=6), min_size=1), st.text("ab", max_size=40))
def test_what_is_held_back_is_the_beginning_of_a_value(values: list[str], text: str) -> None:
    masking = Masking(Mask(values))
    for n in range(len(text)):
        masking.feed(text[n : n + 1].encode())
        held = masking.finish()
        raw = text[n + 1 - len(held) : n + 1]
        assert not raw or any(value.startswith(raw) and value != raw for value in values)


@settings(max_examples=60)
@given(LETTERS, st.integers(0, 12))
@example("€uro", 1)
def test_the_record_of_covered_output_is_the_covered_record(value: str, before_cut: int) -> None:
    """Recovery compares the two: also where the Engine's cut goes through a character of a value."""
    data = b"x" * (CUT_BYTES - before_cut) + value.encode() + b" end\n"
    mask = Mask([value])

    def recorded(output: bytes) -> bytes:
        recorder = Recorder()
        return recorder.feed(output) + recorder.finish()

    assert recorded(mask.whole(data)) == mask.whole(recorded(data))


def test_what_is_no_secret_stays() -> None:
    mask = Mask(["abc", "  \n", "x\nshort\ny"])
    assert mask.whole(b"abc x y shor \xff\xfe short") == b"abc x y shor \xff\xfe *****"
    assert Mask([]).whole(b"anything") == b"anything"
    assert through(Mask([]), [b"any", b"thing"]) == b"anything"


@pytest.mark.parametrize(
    ("value", "text", "shown"),
    [
        ("hush-hush", "it is hush-hush!", "it is *********!"),
        ("hush", "hushush hus", "******* hus"),
        ("abab", "abababa", "******a"),
        ("aaaa", "xaaaaaax", "x******x"),
        ("one line\r\n  another \n", "another|one line", "*******|********"),
        ("p@ss/word", "https://u:p%40ss%2Fword@h", "https://u:*************@h"),
        ('say "hi"', json.dumps({"v": 'say "hi"'}), '{"v": "**********"}'),
        ("schlüssel", "ein schlüssel", "ein ****¤****"),
        ("schlüssel", json.dumps("schlüssel"), f'"{"*" * 14}"'),
    ],
)
def test_a_value_is_covered_as_it_is_written(value: str, text: str, shown: str) -> None:
    assert Mask([value]).text(text) == shown


def test_a_long_value_is_covered_piece_by_piece() -> None:
    value = "".join(chr(33 + n * n % 90) for n in range(60_000))
    data = f"<{value}>".encode()
    assert through(Mask([value]), [data[n : n + 777] for n in range(0, len(data), 777)]).count(b"*") >= 60_000
    masking = Masking(Mask([value]))
    given_back = len(masking.feed(data[:30_000]))
    assert 30_000 - given_back <= 1024


def test_the_rest_of_a_value_in_a_shortened_text_is_covered() -> None:
    mask = Mask(["correct horse battery staple"])
    assert mask.text("x" * 3000 + "correct horse b").endswith("x" * 5 + "*" * 15)
    assert mask.text("tery staple" + "x" * 3000).startswith("*" * 11 + "x")
    shortened = "correct h\n[... 5 characters left out ...]\ntery staple"
    assert mask.text(shortened) == f"{'*' * 9}\n[... 5 characters left out ...]\n{'*' * 11}"
    assert mask.text("the horse is correct") == "the horse is correct"


def test_json_is_covered_in_keys_texts_and_numbers() -> None:
    mask = Mask(["12345678", "hush"])
    value = {"hush": ["hush", 12345678, 1234, True, None, 0.5], "a": {"b": "a hush"}}
    assert mask.json(value) == {"****": ["****", "********", 1234, True, None, 0.5], "a": {"b": "a ****"}}
