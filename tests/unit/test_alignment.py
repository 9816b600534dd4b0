"""Where stored output ends in a record: found exactly, or the doubt is named."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runsd.engine.port import Stream
from runsd.logs.alignment import ANCHOR_BYTES, PROOF_BYTES, Astray, Doubt, Known, Search, Skip, places
from runsd.logs.record import CUT_BYTES, REPLACED, Recorder

OUT, ERR = Stream.STDOUT, Stream.STDERR
EURO = "€".encode()
LINES = [b"%07d some text\n" % n for n in range(20_000)]
WHOLE = b"".join(LINES)
LINE = len(LINES[0])


def known_of(*chunks: bytes, at: int = 0) -> Known:
    known = Known()
    for chunk in chunks:
        known.stored(at, chunk)
        at += len(chunk)
    return known


def searched(known: Known, record: bytes, piece: int = 30_000) -> Search:
    search = Search(known)
    for at in range(0, len(record), piece):
        search.feed(record[at : at + piece])
    return search


def gone_on(known: Known, record: bytes, *, complete: bool = False) -> tuple[bytes, Doubt | None]:
    """Return what would be stored of a record, and what would be said before it."""
    skip, doubt = searched(known, record).place(complete=complete)
    return b"".join(skip.feed(record[at : at + 999]) for at in range(0, len(record), 999)), doubt


@given(st.data())
def test_of_numbered_lines_every_place_is_found_or_known_to_be_gone(data: st.DataObject) -> None:
    stored = data.draw(st.integers(0, len(WHOLE)), "bytes stored")
    first = data.draw(st.integers(0, len(LINES) - 1), "first line of the record")
    known = known_of(WHOLE[:stored])
    new, doubt = gone_on(known, WHOLE[first * LINE :], complete=first == 0)
    there = stored - first * LINE
    if doubt is None:
        assert new == WHOLE[stored:]
        assert first == 0 or there > 0
    else:
        assert new == WHOLE[first * LINE :]
        assert there < PROOF_BYTES
        assert (
            doubt is not Doubt.GONE or there < LINE
        )  # no record begins with the line that is stored in part
        assert doubt is not Doubt.UNCERTAIN or 0 < stored < 2 * PROOF_BYTES or there > 0


def test_what_repeats_itself_is_counted_where_the_record_has_its_beginning() -> None:
    known = known_of(b"y\n" * 100_000)
    assert gone_on(known, b"y\n" * 150_000, complete=True) == (b"y\n" * 50_000, None)


def test_what_repeats_itself_is_uncertain_where_the_beginning_may_be_gone() -> None:
    known = known_of(b"y\n" * 100_000)
    assert not known.telling
    assert gone_on(known, b"y\n" * 150_000) == (b"y\n" * 150_000, Doubt.UNCERTAIN)


def test_a_record_that_does_not_have_what_was_read_live_yet_gives_nothing() -> None:
    assert gone_on(known_of(b"prompt: "), b"", complete=True) == (b"", None)
    assert gone_on(known_of(WHOLE[:-5]), WHOLE[:-LINE], complete=True) == (b"", None)


def test_output_that_the_engine_lost_is_said_and_nothing_is_repeated() -> None:
    # An Engine that is killed forgets the unfinished line that it had read.
    known = known_of(b"".join(LINES[:5000]) + LINES[5000][:8])
    record = b"".join(LINES[:5000]) + LINES[5000][8:] + LINES[5001]
    assert gone_on(known, record, complete=True) == (LINES[5000][8:] + LINES[5001], Doubt.BROKEN)


def test_a_hole_in_the_middle_does_not_matter() -> None:
    known = known_of(WHOLE[:50_000])
    known.stored(90_000, WHOLE[90_000:200_000])
    assert gone_on(known, WHOLE, complete=True) == (WHOLE[200_000:], None)
    assert gone_on(known, WHOLE[LINE * 4000 :]) == (WHOLE[200_000:], None)


def test_a_hole_whose_recorded_size_is_not_known_is_found_over() -> None:
    output = EURO * 20_000 + b"\n" + WHOLE  # longer in the record, for the cuts in it
    known = known_of(output[:10_000])
    known.stored(70_000, output[70_000:200_000])
    record = Recorder().feed(output)
    assert len(record) > len(output)
    assert gone_on(known, record, complete=True) == (output[200_000:], None)


@pytest.mark.parametrize("cut", [False, True])
def test_half_a_character_at_the_end_is_completed(cut: bool) -> None:
    start = WHOLE + b"x" * (CUT_BYTES - 2 if cut else 0)
    recorder = Recorder()
    record = recorder.feed(start + EURO + b"\nrest")
    half = 2 if not cut else 1
    known = known_of(start + EURO[:half])
    kept = (EURO[half:] if not cut else 2 * REPLACED) + b"\nrest"
    assert gone_on(known, record, complete=True) == (kept, None)


def test_the_other_stream_is_exact_where_one_is_found() -> None:
    out, err = known_of(WHOLE[:100_000]), known_of(b"warning of long ago\n")
    searches = {OUT: searched(out, WHOLE[LINE * 1000 :]), ERR: searched(err, b"another\n")}
    (_, of_out), (skip, of_err) = places(searches, complete=False).values()
    assert (of_out, of_err) == (None, None)
    assert skip.feed(b"another\n") == b"another\n"


def test_a_record_that_rotated_meanwhile_is_not_taken_for_the_same() -> None:
    skip, doubt = searched(known_of(WHOLE[:200_000]), WHOLE[LINE * 100 :]).place(complete=False)
    assert doubt is None
    with pytest.raises(Astray):
        skip.feed(WHOLE[LINE * 200 :])


def test_the_bytes_before_the_place_are_compared() -> None:
    skip = Skip(10, head=b"0123", before=b"6789")
    assert skip.feed(b"0123--67") == b""
    assert skip.left == 2
    assert skip.feed(b"89abc") == b"abc"
    with pytest.raises(Astray):
        Skip(10, head=b"0123", before=b"6789").feed(b"0123--6-89abc")


def test_an_end_is_found_wherever_the_pieces_are_cut() -> None:
    noise = random.Random(1).randbytes(3 * ANCHOR_BYTES)
    text = Recorder().feed(noise)
    known = Known()
    known.copied(text[: 2 * ANCHOR_BYTES])
    for piece in (7_777, 65_536, 1_048_577):
        search = searched(known, WHOLE * 5 + text, piece)
        skip, doubt = search.place(complete=False)
        assert (skip.size, doubt) == (len(WHOLE) * 5 + 2 * ANCHOR_BYTES, None)
