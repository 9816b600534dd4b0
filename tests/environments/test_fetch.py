"""Files are fetched as uv would fetch them, from where the host allows, if they are the right ones."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from runsd.environments.fetch import fetch
from runsd.environments.lock import File
from runsd.errors import DependenciesFailed

CONTENT = b"content" * 100_000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
async def index() -> AsyncIterator[TestServer]:
    """An index that answers its users alone, the first time with an error of its own."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        if len(asked) == 1:
            return web.Response(status=503)
        if request.headers.get("Authorization") != "Basic bWU6c0BmZQ==":
            return web.Response(status=401)
        if request.path != "/files/a-1.tar.gz":
            return web.Response(status=404)
        return web.Response(body=CONTENT, headers={"Content-Encoding": "gzip"})

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app) as server:
        yield server


async def get(url: str, goal: Path, *, sha256: str = DIGEST, within_s: float = 60, **places: str) -> bytes:
    await fetch(File(url, sha256, None), goal, places, within_s=within_s)
    return goal.read_bytes()


async def test_it_is_fetched_with_the_credentials_of_an_index_of_the_same_server(
    index: TestServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, known = str(index.make_url("/files/a-1.tar.gz")), f"127.0.0.1:{index.port}/simple"
    places = {"UV_INDEX": f"https://other.example/simple http://me:s%40fe@{known}"}
    assert await get(url, tmp_path / "a", **places) == CONTENT
    monkeypatch.setenv("UV_INDEX_MY_OWN_USERNAME", "me")
    monkeypatch.setenv("UV_INDEX_MY_OWN_PASSWORD", "s@fe")
    assert await get(url, tmp_path / "b", UV_INDEX=f"my-own=http://{known}") == CONTENT
    with pytest.raises(DependenciesFailed, match=r"cannot fetch a-1.tar.gz: 401"):
        await get(url, tmp_path / "c", UV_INDEX="http://me:s%40fe@localhost/simple")
    with pytest.raises(DependenciesFailed, match=r"cannot fetch b-1.tar.gz: 404"):
        await get(url.replace("a-1", "b-1"), tmp_path / "d", **places)
    with pytest.raises(DependenciesFailed, match=rf"the SHA-256 is {DIGEST} instead of 00"):
        await get(url, tmp_path / "e", sha256="0" * 64, **places)


async def test_who_does_not_answer_is_given_up(tmp_path: Path) -> None:
    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    writers: list[asyncio.StreamWriter] = []
    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a-1.tar.gz"
        with pytest.raises(DependenciesFailed, match=r"cannot fetch a-1.tar.gz: it takes longer than 0.5 s"):
            await get(url, tmp_path / "a", within_s=0.5)
        for writer in writers:
            writer.close()
            await writer.wait_closed()


async def test_of_this_host_only_what_is_in_a_folder_that_lists_packages(tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    listed, secret = tmp_path / "links" / "a-1.tar.gz", tmp_path / "secret"
    for path in (listed, secret):
        path.write_bytes(CONTENT)
    for links in (str(tmp_path / "links"), (tmp_path / "links").as_uri()):
        assert (
            await get(listed.as_uri(), tmp_path / "a", UV_FIND_LINKS=f"https://x.example,{links}") == CONTENT
        )
    (tmp_path / "links" / "b-1.tar.gz").symlink_to(secret)
    for path in (secret, tmp_path / "links" / ".." / "secret", tmp_path / "links" / "b-1.tar.gz"):
        with pytest.raises(DependenciesFailed, match=r"is in no folder of environments.find_links"):
            await get(path.as_uri(), tmp_path / "b", UV_FIND_LINKS=str(tmp_path / "links"))
