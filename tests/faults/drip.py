"""A slow line: a TCP relay through which bytes come a few at a time."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_PIECE = 16 * 1024
_BYTES_PER_S = 1024 * 1024


@contextmanager
def dripping(address: str) -> Iterator[str]:
    """Lend an address (host:port) that leads to another one, slowly on the way back."""
    host, _, port = address.rpartition(":")
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        accepting = threading.Thread(
            target=_accept, args=(server, (host, int(port)), threads), name="slow line"
        )
        accepting.start()
        try:
            yield "{}:{}".format(*server.getsockname())
        finally:
            server.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for thread in threads:
                thread.join()


def _accept(server: socket.socket, there: tuple[str, int], threads: list[threading.Thread]) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = server.accept()
            upstream = socket.create_connection(there)
            for source, sink, slow in ((client, upstream, False), (upstream, client, True)):
                threads.append(threading.Thread(target=_relay, args=(source, sink, slow), name="slow line"))
                threads[-1].start()


def _relay(source: socket.socket, sink: socket.socket, slow: bool) -> None:
    """Pass bytes on until one side ends; each relay closes the socket that it writes to."""
    with sink, contextlib.suppress(OSError):
        while piece := source.recv(_PIECE):
            sink.sendall(piece)
            if slow and len(piece) == _PIECE:
                time.sleep(_PIECE / _BYTES_PER_S)
        sink.shutdown(socket.SHUT_WR)
    with contextlib.suppress(OSError):
        source.shutdown(socket.SHUT_RD)
