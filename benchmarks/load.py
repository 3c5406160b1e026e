"""Requests to an HTTP service that runs in another process, as fast as it answers them."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

__all__ = ["load"]

_CLIENTS = 16
_WARM_UP = 0.5


def load(port: int, seconds: float) -> dict[str, float]:
    """What the service says of ``seconds`` under load, with ``seconds`` that it took; ends it."""
    return asyncio.run(_load(port, seconds))


async def _load(port: int, seconds: float) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    clients = [
        (await loop.create_connection(_Client, "127.0.0.1", port))[1] for _ in range(_CLIENTS)
    ]
    await asyncio.gather(*(client.keep_asking(_WARM_UP) for client in clients))
    await clients[0].ask(b"/begin")
    began = time.perf_counter()
    await asyncio.gather(*(client.keep_asking(seconds) for client in clients))
    took = time.perf_counter() - began
    said: dict[str, float] = json.loads(await clients[0].ask(b"/end"))
    for client in clients:
        client.transport.close()
    return {**said, "seconds": took}


class _Client(asyncio.Protocol):
    """One connection that is kept alive; cheap, so that it is the service that is measured."""

    transport: asyncio.Transport

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._received = b""
        self._answer: asyncio.Future[bytes] | None = None
        self._missing = -1

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._missing < 0 and b"\r\n\r\n" in self._received:
            head, self._received = self._received.split(b"\r\n\r\n", 1)
            self._missing = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
        if 0 <= self._missing <= len(self._received) and self._answer is not None:
            answer, self._received, self._missing = self._received, b"", -1
            if not self._answer.done():
                self._answer.set_result(answer)

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError("the service hung up"))

    async def ask(self, path: bytes) -> bytes:
        """The body of the answer."""
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path)
        return await self._answer

    async def keep_asking(self, seconds: float) -> None:
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            await self.ask(b"/rows")
