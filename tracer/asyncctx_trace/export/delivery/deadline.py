"""A deadline for HTTP requests as a whole: headers and bodies that drip do not extend it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from requests.adapters import HTTPAdapter

__all__ = ["Deadline", "DeadlineAdapter"]


@dataclass(slots=True)
class Deadline:
    """The time that a request has."""

    passed: bool = False


class DeadlineAdapter(HTTPAdapter):
    """A requests adapter that can end a request from another thread.

    The timeout of requests is one for each ``recv()``: a server that sends a byte a second is
    never too late for it.
    """

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        super().__init__()

    @contextlib.contextmanager
    def deadline(self, seconds: float) -> Iterator[Deadline]:
        """Shut down the connections when ``seconds`` have passed within the block."""
        deadline = Deadline()

        def shut_down() -> None:
            deadline.passed = True
            for connected in list(self._sockets):
                with contextlib.suppress(OSError):
                    connected.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(seconds, shut_down)
        timer.daemon = True
        timer.start()
        try:
            yield deadline
        finally:
            timer.cancel()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self._watch(self.poolmanager)

    def proxy_manager_for(self, proxy: Any, **options: Any) -> Any:
        known = proxy in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **options)
        if not known:
            self._watch(manager)
        return manager

    def close(self) -> None:
        super().close()
        self._forget()

    def _watch(self, manager: Any) -> None:
        manager.pool_classes_by_scheme = {
            scheme: self._watched(pool) for scheme, pool in manager.pool_classes_by_scheme.items()
        }

    def _watched(self, pool: Any) -> Any:
        """A class of pools whose connections are known to this adapter."""
        adapter = self

        class Connection(pool.ConnectionCls):  # type: ignore[misc]  # a class at run time
            def _new_conn(self) -> socket.socket:
                connected: socket.socket = super()._new_conn()
                # TLS takes the socket over; its duplicate still stands for the connection.
                adapter._forget()
                adapter._sockets.append(connected.dup())
                return connected

        return type(pool.__name__, (pool,), {"ConnectionCls": Connection})

    def _forget(self) -> None:
        while self._sockets:
            self._sockets.pop().close()
