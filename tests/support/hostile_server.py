"""A server that answers HTTP requests with whatever bytes a test gives."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

__all__ = ["Endless", "endpoint"]


@contextmanager
def endpoint(answer: Iterable[bytes], pause: float = 0.0) -> Iterator[str]:
    """Serve each request with the pieces of ``answer``, ``pause`` seconds apart; yield the URL."""
    stop = threading.Event()

    def serve(connected: socket.socket) -> None:
        with connected, suppress(OSError):
            while not stop.is_set():
                head = b""
                while b"\r\n\r\n" not in head:
                    head += (received := connected.recv(1 << 16))
                    if not received:
                        return
                lengths = [
                    int(line.split(b":")[1])
                    for line in head.lower().split(b"\r\n")
                    if line.startswith(b"content-length:")
                ]
                left = sum(lengths) - len(head.partition(b"\r\n\r\n")[2])
                while left > 0:
                    left -= len(connected.recv(left))
                for piece in answer:
                    connected.sendall(piece)
                    if stop.wait(pause):
                        return
                if b"content-length" not in b"".join(itertools.islice(answer, 9)).lower():
                    return

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            stop.set()


class Endless(list[bytes]):
    """Yields the pieces, and repeats the last one forever."""

    def __iter__(self) -> Iterator[bytes]:
        return itertools.chain(super().__iter__(), itertools.repeat(self[-1]))
