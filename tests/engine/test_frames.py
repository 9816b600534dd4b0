"""The demultiplexer against every way of cutting a stream."""

import time
from collections.abc import AsyncIterator
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runsd.engine.frames import Demultiplexer, Frames, Piece
from runsd.engine.port import Stream
from runsd.errors import EngineRefused, EngineUnavailable

frames = st.lists(st.tuples(st.sampled_from([Stream.STDOUT, Stream.STDERR]), st.binary(max_size=40)))


def encoded(pieces: list[Piece]) -> bytes:
    return b"".join(bytes([s, 0, 0, 0]) + len(data).to_bytes(4, "big") + data for s, data in pieces)


def joined(pieces: list[Piece]) -> list[Piece]:
    """Join neighbours of one stream: how the bytes were cut does not matter, their order does."""
    full = (piece for piece in pieces if piece[1])
    return [(s, b"".join(data for _, data in group)) for s, group in groupby(full, lambda p: p[0])]


@given(frames, st.lists(st.integers(1, 30), min_size=1))
def test_any_split_of_the_stream_gives_the_same_output(sent: list[Piece], sizes: list[int]) -> None:
    wire, demultiplexer, got, turn = encoded(sent), Demultiplexer(), [], 0
    while wire:
        size = sizes[turn % len(sizes)]
        got += demultiplexer.feed(wire[:size])
        wire, turn = wire[size:], turn + 1
    demultiplexer.finish()
    assert joined(got) == joined(sent)


@given(frames.filter(bool), st.data())
def test_a_cut_inside_a_frame_is_never_an_end(sent: list[Piece], data: st.DataObject) -> None:
    wire = encoded(sent)
    boundaries = {len(encoded(sent[:count])) for count in range(len(sent) + 1)}
    cut = data.draw(st.integers(0, len(wire)))
    demultiplexer = Demultiplexer()
    demultiplexer.feed(wire[:cut])
    if cut in boundaries:
        demultiplexer.finish()
    else:
        with pytest.raises(EngineUnavailable, match="cut"):
            demultiplexer.finish()


@given(st.binary(max_size=80), st.integers(1, 20))
def test_any_bytes_are_pieces_or_refused_however_they_are_cut(wire: bytes, size: int) -> None:
    assert taken([wire]) == taken([wire[at : at + size] for at in range(0, len(wire), size)])


def taken(chunks: list[bytes]) -> tuple[list[Piece], str]:
    """Return what was read of a stream, and what was said at its end."""
    demultiplexer, got = Demultiplexer(), []
    try:
        for chunk in chunks:
            got += demultiplexer.feed(chunk)
        demultiplexer.finish()
    except (EngineRefused, EngineUnavailable) as failure:
        # What came in the same chunk as the trouble is not handed on.
        return [], str(failure)
    return joined(got), "whole"


def test_a_payload_is_handed_on_before_its_frame_is_complete() -> None:
    demultiplexer = Demultiplexer()
    assert demultiplexer.feed(b"\2\0\0\0\0\0\0\5ab") == [(Stream.STDERR, b"ab")]
    assert demultiplexer.feed(b"cde") == [(Stream.STDERR, b"cde")]


def test_the_engines_own_error_in_the_stream_is_raised_with_its_sentence() -> None:
    demultiplexer = Demultiplexer()
    assert demultiplexer.feed(b"\3\0\0\0\0\0\0\6bad ") == []
    with pytest.raises(EngineRefused, match=r"^bad !$"):
        demultiplexer.feed(b"!\n")


def test_bytes_without_headers_are_refused() -> None:
    with pytest.raises(EngineUnavailable, match="not multiplexed"):
        Demultiplexer().feed(b"plain text")


def test_a_hundred_megabytes_cost_well_under_a_second() -> None:
    frame = encoded([(Stream.STDOUT, bytes(20_000))])
    wire = frame * 64
    chunks = [wire[at : at + 65_536] for at in range(0, len(wire), 65_536)]
    demultiplexer, total, begun = Demultiplexer(), 0, time.process_time()
    for _ in range(80):
        for chunk in chunks:
            total += sum(len(data) for _, data in demultiplexer.feed(chunk))
    assert total == 80 * 64 * 20_000
    assert time.process_time() - begun < 1


async def test_frames_end_where_the_chunks_end_and_raise_where_they_are_cut() -> None:
    async def chunks(wire: bytes) -> AsyncIterator[bytes]:
        for at in range(0, len(wire), 3):
            yield wire[at : at + 3]

    sent = [(Stream.STDOUT, b"one\n"), (Stream.STDERR, b"two\n")]
    assert joined([piece async for piece in Frames(chunks(encoded(sent)))]) == sent
    with pytest.raises(EngineUnavailable, match="cut"):
        [piece async for piece in Frames(chunks(encoded(sent)[:-1]))]
