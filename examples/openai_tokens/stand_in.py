"""A server that stands in for a model: it answers as OpenAI's does, and counts what it has given."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any


@dataclass
class Given:
    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0


class Model(ThreadingHTTPServer):
    """Says again what it is told, twice. A word is a token to it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.given = Given()
        self.url = f"http://127.0.0.1:{self.server_port}/v1"
        self._lock = Lock()

    def count(self, tokens_in: int = 0, tokens_out: int = 0) -> dict[str, int]:
        with self._lock:
            self.given.requests += 1
            self.given.tokens_in += tokens_in
            self.given.tokens_out += tokens_out
        total = tokens_in + tokens_out
        return {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": total}


class Answer(BaseHTTPRequestHandler):
    server: Model

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if asked["model"] != "parrot":
            self.server.count()
            self.reply({"error": {"message": f"there is no {asked['model']}"}}, status=404)
        elif self.path == "/v1/embeddings":
            self.embed(asked)
        else:
            self.chat(asked)

    def embed(self, asked: dict[str, Any]) -> None:
        usage = self.server.count(len(asked["input"].split()))
        one = {"object": "embedding", "index": 0, "embedding": [0.25, 0.5]}
        self.reply({"object": "list", "model": "parrot", "data": [one], "usage": usage})

    def chat(self, asked: dict[str, Any]) -> None:
        said = asked["messages"][-1]["content"]
        words = [*said.split(), *said.split()]
        usage = self.server.count(len(said.split()), len(words))
        if asked.get("stream"):
            pieces = [chunk({"content": word + " "}) for word in words]
            last = {**chunk({}), "choices": [], "usage": usage}
            events = [json.dumps(piece) for piece in (*pieces, chunk({}, "stop"), last)]
            self.send("".join(f"data: {event}\n\n" for event in (*events, "[DONE]")), "text/event-stream")
        else:
            message = {"role": "assistant", "content": " ".join(words)}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            self.reply({**ABOUT, "object": "chat.completion", "choices": [choice], "usage": usage})

    def reply(self, document: dict[str, Any], *, status: int = 200) -> None:
        self.send(json.dumps(document), "application/json", status=status)

    def send(self, text: str, kind: str, *, status: int = 200) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


ABOUT = {"id": "1", "created": 1, "model": "parrot"}


def chunk(delta: dict[str, str], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": finish}
    return {**ABOUT, "object": "chat.completion.chunk", "choices": [choice]}


@contextmanager
def serving() -> Iterator[Model]:
    """Serve until the end."""
    with Model() as model:
        thread = Thread(target=model.serve_forever)
        thread.start()
        try:
            yield model
        finally:
            model.shutdown()
            thread.join()
