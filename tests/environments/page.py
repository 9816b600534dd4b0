"""A page with wheels that answers when a test lets it."""

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Page:
    """A page with wheels that answers once it is opened; ``asked`` counts who came for the list."""

    url: str
    opened: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)


@contextmanager
def page(folder: Path) -> Iterator[Page]:
    """Serve a folder of wheels."""
    server: http.server.ThreadingHTTPServer

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/":
                shown.asked.append(self.path)
                shown.opened.wait(_WITHIN_S)
            super().do_GET()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    make = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), make) as server:
        shown = Page(f"http://127.0.0.1:{server.server_address[1]}/")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield shown
        finally:
            shown.opened.set()
            server.shutdown()
            thread.join()
