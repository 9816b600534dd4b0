"""An index that takes questions and never answers."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Silent:
    """Where it listens, and an event that is set when somebody has asked."""

    url: str
    asked: threading.Event = field(default_factory=threading.Event)


@contextmanager
def index() -> Iterator[Silent]:
    """Listen on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        silent = Silent(f"http://127.0.0.1:{server.getsockname()[1]}/simple")
        held: list[socket.socket] = []

        def take() -> None:
            while True:
                try:
                    held.append(server.accept()[0])
                except OSError:
                    return
                silent.asked.set()

        thread = threading.Thread(target=take, name="silent index")
        thread.start()
        try:
            yield silent
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in held:
                connection.close()
