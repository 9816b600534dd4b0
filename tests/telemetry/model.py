"""A server that stands in for a model: it answers as OpenAI's does, and keeps count of what it has given."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from runsd.telemetry.sums import Totals


@dataclass
class Model:
    """What has been asked for and given."""

    url: str = ""
    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    @property
    def totals(self) -> Totals:
        return Totals(self.requests, self.tokens_in, self.tokens_out)

    async def chat(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        asked = await request.json()
        if asked["model"] == "broken":
            return web.json_response({"error": {"message": "no such model"}}, status=400)
        usage = self._used(10 + self.requests, 3 * self.requests)
        message = {"role": "assistant", "content": "42"}
        if not asked.get("stream"):
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            return web.json_response(_chunk("chat.completion", [choice], usage=usage))
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        kind, delta = "chat.completion.chunk", {"index": 0, "delta": message, "finish_reason": "stop"}
        for chunk in (_chunk(kind, [delta]), _chunk(kind, [], usage=usage)):
            await stream.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        await stream.write(b"data: [DONE]\n\n")
        return stream

    async def embed(self, request: web.Request) -> web.Response:
        self.requests += 1
        await request.read()
        one = {"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}
        usage = self._used(7, 0)
        return web.json_response({"object": "list", "model": "e", "data": [one], "usage": usage})

    def _used(self, tokens_in: int, tokens_out: int) -> dict[str, int]:
        self.tokens_in += tokens_in
        self.tokens_out += tokens_out
        total = tokens_in + tokens_out
        return {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": total}


@asynccontextmanager
async def serving() -> AsyncIterator[Model]:
    """Serve a model on loopback."""
    model, app = Model(), web.Application()
    app.router.add_post("/v1/chat/completions", model.chat)
    app.router.add_post("/v1/embeddings", model.embed)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        model.url = f"http://{host}:{port}/v1"
        yield model
    finally:
        await runner.cleanup()


def _chunk(kind: str, choices: list[Any], **more: Any) -> dict[str, Any]:
    return {"id": "c", "object": kind, "created": 1, "model": "m", "choices": choices, **more}
