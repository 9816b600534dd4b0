"""Who is shut out is cut off in the middle of an answer, and nobody else."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace

from runsd.access import Access, Caller
from runsd.api.connections import Connections

A = Caller("key a", Access.READ)
B = Caller("key b", Access.READ)


@asynccontextmanager
async def line() -> AsyncIterator[tuple[asyncio.WriteTransport, asyncio.StreamReader]]:
    """Lend the daemon's end of a connection, and what the other end reads."""
    here, there = socket.socketpair()
    _, writer = await asyncio.open_connection(sock=here)
    reader, other = await asyncio.open_connection(sock=there)
    try:
        yield writer.transport, reader
    finally:
        for each in (writer, other):
            each.transport.abort()


def is_cut(transport: asyncio.WriteTransport) -> bool:
    return transport.is_closing()


async def test_a_caller_is_cut_off_from_one_project_and_who_asks_for_it_is_not() -> None:
    connections = Connections()
    async with line() as (theirs, heard), line() as (elsewhere, _), line() as (others, _), line() as (own, _):
        with ExitStack() as stack:
            for caller, project, transport in (
                (A, "team", theirs),
                (A, "team", own),
                (A, "other", elsewhere),
                (B, "team", others),
            ):
                stack.enter_context(connections.open(caller, project, transport))
            connections.cut("team", "key a", spare=own)
            assert await heard.read() == b""
            assert [is_cut(each) for each in (theirs, own, elsewhere, others)] == [True, False, False, False]
            connections.cut("team")
            assert [is_cut(each) for each in (own, elsewhere, others)] == [True, False, True]


async def test_what_is_answered_is_not_cut_off_any_more() -> None:
    connections = Connections()
    async with line() as (transport, _):
        with connections.open(replace(A, lasts_s=3600), "team", transport):
            pass
        connections.cut("team")
        assert not is_cut(transport)


async def test_a_key_whose_time_is_over_is_cut_off() -> None:
    connections = Connections()
    async with line() as (transport, heard):
        with connections.open(replace(A, lasts_s=0.01), "team", transport):
            assert await heard.read() == b""


async def test_a_session_that_ends_is_cut_off_everywhere_and_no_other_of_its_owner() -> None:
    connections = Connections()
    here, there = replace(A, session="here"), replace(A, session="there")
    async with line() as (one, heard), line() as (two, _), line() as (other, _), line() as (none, _):
        with ExitStack() as stack:
            for caller, project, transport in (
                (here, "team", one), (here, "other", two), (there, "team", other), (A, "team", none),
            ):  # fmt: skip
                stack.enter_context(connections.open(caller, project, transport))
            connections.end("here")
            assert await heard.read() == b""
            assert [is_cut(each) for each in (one, two, other, none)] == [True, True, False, False]
