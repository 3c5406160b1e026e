"""Requests to an HTTP service that runs in another process, as fast as it answers them."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Any

__all__ = ["Load"]

_CLIENTS = 16


class Load:
    """Clients of the service at ``port`` of this machine, each with a connection it keeps."""

    def __init__(self, port: int) -> None:
        self._runner = asyncio.Runner()
        self._clients = self._runner.run(self._connected(port))

    def __enter__(self) -> Load:
        return self

    def __exit__(
        self,
        cls: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._runner.close()

    def last(self, seconds: float) -> None:
        """Have all clients ask, each again as soon as it has its answer."""
        self._runner.run(self._all_ask(seconds))

    async def _connected(self, port: int) -> list[_Client]:
        loop = asyncio.get_running_loop()
        return [
            (await loop.create_connection(_Client, "127.0.0.1", port))[1] for _ in range(_CLIENTS)
        ]

    async def _all_ask(self, seconds: float) -> None:
        until = time.perf_counter() + seconds
        await asyncio.gather(*(client.keep_asking(until) for client in self._clients))


class _Client(asyncio.Protocol):
    """Cheap, so that it is the service that is measured."""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._received = b""
        self._missing = -1
        self._answered: asyncio.Future[None] | None = None

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._missing < 0 and b"\r\n\r\n" in self._received:
            head, self._received = self._received.split(b"\r\n\r\n", 1)
            self._missing = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
        if 0 <= self._missing <= len(self._received) and self._answered is not None:
            self._received, self._missing = b"", -1
            if not self._answered.done():
                self._answered.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(error or ConnectionResetError("the service hung up"))

    async def keep_asking(self, until: float) -> None:
        while time.perf_counter() < until:
            self._answered = asyncio.get_running_loop().create_future()
            self._transport.write(b"GET /rows HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await self._answered
