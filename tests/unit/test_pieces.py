"""Output in pieces: nothing lost, nothing moved, nothing cut inside a character."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runsd.engine.port import Stream
from runsd.logs.pieces import MOST_BYTES, Piece, Pieces, whole_characters

OUT, ERR = Stream.STDOUT, Stream.STDERR
TAKE, TAKE_ALL = "take", "take all"

streams = st.sampled_from([OUT, ERR])
feeds = st.tuples(streams, st.binary(max_size=12))
steps = st.lists(feeds | st.sampled_from([TAKE, TAKE_ALL]), max_size=40)


def carried(steps: Sequence[tuple[Stream, bytes] | str], pieces: Pieces) -> list[Piece]:
    found = []
    for at, step in enumerate(steps):
        if isinstance(step, str):
            found.extend(pieces.take(everything=step == TAKE_ALL))
        else:
            pieces.add(step[0], step[1], at)
    return found + pieces.take(everything=True)


def fed(steps: Sequence[tuple[Stream, bytes] | str], stream: Stream) -> bytes:
    return b"".join(step[1] for step in steps if not isinstance(step, str) and step[0] is stream)


@given(steps, st.integers(0, 10**9))
def test_each_stream_is_its_pieces_joined_at_their_places(
    steps: list[tuple[Stream, bytes] | str], start: int
) -> None:
    pieces = Pieces({OUT: start})
    found = carried(steps, pieces)
    for stream, first in ((OUT, start), (ERR, 0)):
        at = first
        own = [piece for piece in found if piece.stream is stream]
        assert b"".join(piece.data for piece in own) == fed(steps, stream)
        for piece in own:
            assert piece.at_byte == at
            assert piece.data
            at += len(piece.data)
        assert pieces.positions[stream] == pieces.ends[stream] == at
    assert pieces.size == 0


@given(st.lists(st.tuples(streams, st.text(max_size=4)), max_size=12), st.data())
def test_each_piece_of_a_text_can_be_read_alone(
    written: list[tuple[Stream, str]], data: st.DataObject
) -> None:
    steps: list[tuple[Stream, bytes] | str] = []
    for stream, text in written:
        raw = text.encode()
        cut = data.draw(st.integers(0, len(raw)))
        steps += [(stream, raw[:cut]), TAKE, (stream, raw[cut:]), TAKE]
    for piece in carried(steps, Pieces({})):
        piece.data.decode()


@given(steps)
def test_ends_count_what_has_come_and_size_what_waits(steps: list[tuple[Stream, bytes] | str]) -> None:
    pieces = Pieces({})
    for n, step in enumerate(steps):
        if isinstance(step, str):
            pieces.take(everything=step == TAKE_ALL)
        else:
            pieces.add(step[0], step[1], n)
        for stream in (OUT, ERR):
            assert pieces.ends[stream] == len(fed(steps[: n + 1], stream))
        assert pieces.size == sum(pieces.ends.values()) - sum(pieces.positions.values())


def test_neighbours_of_one_stream_are_joined_and_keep_their_first_time() -> None:
    pieces = Pieces({})
    for stream, data, at in ((OUT, b"a", 1), (OUT, b"b", 2), (ERR, b"c", 3), (OUT, b"d", 4)):
        pieces.add(stream, data, at)
    assert pieces.take(everything=False) == [
        Piece(OUT, 0, 1, b"ab"),
        Piece(ERR, 0, 3, b"c"),
        Piece(OUT, 2, 4, b"d"),
    ]


def test_half_a_character_waits_for_its_other_half() -> None:
    pieces = Pieces({})
    euro = "€".encode()
    pieces.add(OUT, b"1" + euro[:2], 1)
    assert [piece.data for piece in pieces.take(everything=False)] == [b"1"]
    assert pieces.take(everything=False) == []
    pieces.add(OUT, euro[2:] + b"\n", 2)
    assert [piece.data for piece in pieces.take(everything=False)] == [euro + b"\n"]


def test_half_a_character_at_the_end_of_everything_is_stored_as_it_is() -> None:
    pieces = Pieces({})
    pieces.add(OUT, b"\xe2\x82", 1)
    assert [piece.data for piece in pieces.take(everything=True)] == [b"\xe2\x82"]


def test_a_character_cut_by_the_other_stream_is_not_held_back_for_ever() -> None:
    pieces = Pieces({})
    for stream, data in ((OUT, b"\xe2"), (ERR, b"x"), (OUT, b"\x82\xac")):
        pieces.add(stream, data, 0)
    assert [piece.data for piece in pieces.take(everything=False)] == [b"\xe2", b"x", b"\x82\xac"]


@pytest.mark.parametrize("unit", [b"x", "€".encode(), "😀".encode(), b"\x80", b"\xff"])
def test_long_output_is_cut_small_and_between_characters(unit: bytes) -> None:
    pieces = Pieces({})
    whole = b"." + unit * (3 * MOST_BYTES // len(unit))
    pieces.add(OUT, whole, 0)
    found = [piece.data for piece in pieces.take(everything=False)]
    assert b"".join(found) == whole
    assert max(map(len, found)) <= MOST_BYTES
    assert len(found) == 4
    assert all(len(data) % len(unit) in (0, 1) for data in found)


@given(st.text(max_size=6), st.integers(0, 24))
def test_whole_characters_of_any_prefix_of_a_text_decode(text: str, cut: int) -> None:
    prefix = text.encode()[:cut]
    kept = whole_characters(prefix)
    assert prefix[:kept].decode() == prefix.decode(errors="ignore")
    assert len(prefix) - kept < 4


@given(st.binary(max_size=40))
def test_at_most_three_bytes_are_ever_held_back(data: bytes) -> None:
    assert len(data) - 3 <= whole_characters(data) <= len(data)
