"""Both drivers over a real Unix socket: what breaks, what resumes, what is said when nobody is there."""

import asyncio
import json
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from runsd_sdk import AsyncRunsClient, DaemonUnreachable, LogEntry, NotFound, RunsClient, RunsdError

from tests.unit.sdk.answers import NOW, entry, result_json, run_json
from tests.unit.sdk.server import Server, breaks, event, says, serving, streams

SSE, NDJSON = "text/event-stream", "application/x-ndjson"
RUN = says(json.dumps(run_json()))
SUBMITTED = says(json.dumps(run_json()), status=201)
RESULT = says(json.dumps(result_json(stdout="")))

Use = Callable[[Any], Any]


async def synchronously(socket: str, use: Use) -> Any:
    def inside() -> Any:
        with RunsClient(f"unix://{socket}") as client:
            found = use(client)
            return list(found) if hasattr(found, "__next__") else found

    return await asyncio.to_thread(inside)


async def asynchronously(socket: str, use: Use) -> Any:
    async with AsyncRunsClient(f"unix://{socket}") as client:
        found = use(client)
        if hasattr(found, "__anext__"):
            return [each async for each in found]
        return await found


BOTH = pytest.mark.parametrize("through", [synchronously, asynchronously])


@BOTH
async def test_a_submission_that_breaks_is_repeated_with_its_key(tmp_path: Path, through: Any) -> None:
    async with serving(tmp_path / "s", breaks, SUBMITTED, RESULT, RESULT) as server:
        found = await through(server.socket, lambda client: client.create_and_wait(image="alpine"))
    assert found.exit_code == 0
    keys = server.header("Idempotency-Key")
    assert len(keys) == 2
    assert keys[0] == keys[1]


@BOTH
async def test_an_upload_that_breaks_is_sent_again_from_its_beginning(tmp_path: Path, through: Any) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "large").write_bytes(bytes(2**20))
    source = {"id": "src_1", "sizeBytes": 1, "files": 1, "createdAt": NOW}
    stored = says(json.dumps(source), status=201)
    async with serving(tmp_path / "s", breaks, stored) as server:
        found = await through(server.socket, lambda client: client.upload(tmp_path / "work"))
    assert found.id == "src_1"
    lengths = server.header("Content-Length")
    assert len(lengths) == 2
    assert int(lengths[0]) == int(lengths[1]) > 2**20
    assert server.header("Content-Type") == ["application/x-tar"] * 2
    assert server.header("Transfer-Encoding") == []


@BOTH
async def test_followed_logs_survive_a_broken_stream(tmp_path: Path, through: Any) -> None:
    first, second, third = entry("1.5"), entry("1.9", "half\u2028\x85\u0000"), entry("2.3", "日本\n")
    broken = streams(SSE, event(first), event(second), event(third)[:30], whole=False)
    resumed = streams(SSE, ": alive\n\n", event(third), "event: end\ndata: {}\n\n")
    async with serving(tmp_path / "s", broken, resumed) as server:
        found = await through(server.socket, lambda client: client.logs("run_1", follow=True))
    assert found == [first, second, third]
    assert "since=1.9" in server.heads[1].split("\r\n")[0]


@BOTH
async def test_lines_are_cut_at_newlines_alone(tmp_path: Path, through: Any) -> None:
    entries = [entry("1.5", "a\u2028b\x85c\n"), entry("1.9", "\r\rbar\r")]
    text = "".join(each.model_dump_json(by_alias=True) + "\n" for each in entries)
    async with serving(tmp_path / "s", streams(NDJSON, text[:40], text[40:90], text[90:])) as server:
        found: list[LogEntry] = await through(server.socket, lambda client: client.logs("run_1"))
    assert found == entries


@BOTH
async def test_raw_logs_are_the_bytes(tmp_path: Path, through: Any) -> None:
    async with serving(tmp_path / "s", streams("text/plain", "a\0b", "c\r\n")) as server:
        parts = await through(server.socket, lambda client: client.raw_logs("run_1"))
    assert b"".join(parts) == b"a\0bc\r\n"


@BOTH
async def test_a_problem_is_raised_also_from_a_stream(tmp_path: Path, through: Any) -> None:
    problem = {"title": "Not found", "status": 404, "detail": "cannot find run_1", "code": "not_found"}
    gone = says(json.dumps(problem), status=404, kind="application/problem+json")
    for use in (lambda client: client.get("run_1"), lambda client: client.logs("run_1")):
        async with serving(tmp_path / "s", gone) as server:
            with pytest.raises(NotFound, match="cannot find run_1"):
                await through(server.socket, use)
        (tmp_path / "s").unlink(missing_ok=True)


@BOTH
async def test_nobody_there_is_said_at_once_with_the_next_step(tmp_path: Path, through: Any) -> None:
    with pytest.raises(DaemonUnreachable, match=r"no socket there; start the daemon with `runsd serve`"):
        await through(str(tmp_path / "none"), lambda client: client.health())
    with pytest.raises(DaemonUnreachable, match="cannot reach runsd"):
        await through(str(tmp_path / "none"), lambda client: client.logs("run_1", follow=True))


@BOTH
async def test_nonsense_is_an_error_of_ours(tmp_path: Path, through: Any) -> None:
    async with serving(tmp_path / "s", says("{}")) as server:
        with pytest.raises(RunsdError, match="cannot read the answer to GET /v1/runs/run_1"):
            await through(server.socket, lambda client: client.get("run_1"))


@BOTH
async def test_leaving_a_stream_early_closes_it(tmp_path: Path, through: Any) -> None:
    endless = streams(SSE, event(entry("1.1")), event(entry("1.2")), "event: end\ndata: {}\n\n")
    async with serving(tmp_path / "s", endless, RUN) as server:
        await _first_then_get(server, through)
    assert len(server.heads) == 2


async def _first_then_get(server: Server, through: Any) -> None:
    def use(client: Any) -> Any:
        stream = client.logs("run_1", follow=True)
        assert next(stream).cursor == "1.1"
        stream.close()
        return client.get("run_1")

    async def aio(client: AsyncRunsClient) -> Any:
        async with aclosing(client.logs("run_1", follow=True)) as stream:
            assert (await anext(stream)).cursor == "1.1"
        return await client.get("run_1")

    found = await through(server.socket, use if through is synchronously else aio)
    assert found.id == "run_01a"
