"""Serve the app to a browser, and to nobody else.

textual-serve starts a process for whoever connects. Any page in the user's browser can connect to
this machine, under a name of its own (DNS rebinding) or as a WebSocket of another origin. So every
path begins with a random token, and requests of foreign hosts and origins are refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
import signal
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from textual_serve.server import Server

from asyncctx_trace.errors import AsyncctxTraceError
from asyncctx_trace.model.text import plain

__all__ = ["MAX_CONNECTIONS", "AppServer"]

MAX_CONNECTIONS = 8
"""Browser windows at a time: each is a process that reads the whole recording."""
_GRACE = 2.0
"""Seconds that open connections get to end."""
_MAX_CELLS = 1000
"""The largest width or height of a terminal that a browser may ask for."""

_HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class AppServer(Server):
    """The server of textual-serve, guarded."""

    def __init__(self, command: str, *, public_url: str | None = None, **options: Any) -> None:
        """See textual-serve; ``public_url`` is where the browser reaches the server."""
        super().__init__(command, public_url=public_url, **options)
        self.token = secrets.token_urlsafe(16)
        self._connections = 0
        named = {"localhost", self.host}
        if public_url is not None:
            named.add(urlsplit(public_url).hostname or "")
        self._hosts = frozenset(name.lower() for name in named)

    @property
    def url(self) -> str:
        """The address to open in the browser; it contains the token."""
        return f"{self.public_url.rstrip('/')}/{self.token}/"

    async def _make_app(self) -> web.Application:
        served = await super()._make_app()
        app = web.Application(middlewares=[self._guard])
        app.add_subapp(f"/{self.token}", served)
        # The page's script asks for downloads here; their keys are random themselves.
        app.router.add_get("/download/{key}", self.handle_download)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        if not self._is_ours(request.host):
            raise web.HTTPForbidden(
                text="This server answers to its own name only: start it with --public-url "
                "if you reach it under another one."
            )
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc.lower() != request.host.lower():
            raise web.HTTPForbidden(text="This server answers to its own page only.")
        try:
            response = await handler(request)
        except web.HTTPException as refused:
            refused.headers.update(_HEADERS)
            raise
        if not response.prepared:
            response.headers.update(_HEADERS)
        return response

    def _is_ours(self, host: str) -> bool:
        """Whether a Host header names this server: an address, or a name that was given.

        A name that an attacker controls may be bound to this machine's address, but a browser
        sends an address only if its user opened that.
        """
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
        except ValueError:
            return False
        if name in self._hosts:
            return True
        try:
            ip_address(name)
        except ValueError:
            return False
        return True

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        if self._connections >= MAX_CONNECTIONS:
            raise web.HTTPServiceUnavailable(text="Too many windows: close one first.")
        for name in ("width", "height"):
            given = request.query.get(name, "80")
            if not (given.isdecimal() and 0 < int(given[:9]) <= _MAX_CELLS):
                raise web.HTTPBadRequest(text=f"invalid {name}")
        self._connections += 1
        try:
            return await super().handle_websocket(request)
        finally:
            self._connections -= 1

    async def on_startup(self, app: web.Application) -> None:
        """Print nothing yet: the port may be in use."""

    def serve(self, debug: bool = False) -> None:  # noqa: ARG002 - textual-serve has it
        """Serve until Ctrl-C or SIGTERM; raises AsyncctxTraceError if the address is not usable."""
        try:
            asyncio.run(self._serve())
        except OSError as error:
            address = f"{self.host}:{self.port}"
            if error.errno == errno.EADDRINUSE:
                raise AsyncctxTraceError(
                    f"{address} is in use: choose another port with --port"
                ) from None
            known = error.errno is not None and error.errno > 0
            reason = os.strerror(error.errno or 0) if known else str(error)
            raise AsyncctxTraceError(f"cannot listen on {address}: {plain(reason)}") from None

    async def _serve(self) -> None:
        stopped = asyncio.Event()
        with contextlib.suppress(NotImplementedError):  # on Windows, Ctrl-C raises
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        runner = web.AppRunner(await self._make_app(), shutdown_timeout=_GRACE)
        await runner.setup()
        try:
            await web.TCPSite(runner, self.host, self.port).start()
            print(f"Open {self.url}\nPress Ctrl-C to stop.", flush=True)
            await stopped.wait()
        finally:
            await runner.cleanup()
