"""Listen for `asyncctx-trace attach`, in programs whose Python cannot be entered from outside.

The socket is in the user's runtime folder. Only this user and root can connect, which the kernel
confirms for each connection (SO_PEERCRED).
"""

from __future__ import annotations

import atexit
import json
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from asyncctx_trace.attach.in_process.reader import read_state
from asyncctx_trace.attach.runtime_folder import own_folder
from asyncctx_trace.errors import AsyncctxTraceError

__all__ = ["ask", "open_door"]

_LARGEST_REQUEST = 1 << 20
_CREDENTIALS = struct.Struct("3i")
__asyncctx_trace_look__ = True  # our thread is not the program's

_listening: _Door | None = None


def open_door() -> Path:
    """See :func:`asyncctx_trace.listen`."""
    global _listening
    if not hasattr(socket, "SO_PEERCRED"):
        raise AsyncctxTraceError("listen() works on Linux only")
    if _listening is None or _listening.pid != os.getpid():
        _listening = _Door()
    return _listening.path


class _Door:
    """A socket, and the thread that answers."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.path = own_folder() / f"{self.pid}.sock"
        self.path.unlink(missing_ok=True)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with _address(self.path) as address:
            self.socket.bind(address)
        self.path.chmod(0o600)
        self.socket.listen(4)
        atexit.register(self.close)
        threading.Thread(target=self.serve, name="asyncctx-trace", daemon=True).start()

    def close(self) -> None:
        if self.pid == os.getpid():
            with suppress(OSError):
                self.path.unlink()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection, suppress(Exception):  # nothing of a peer's ends the program
                if _uid_of_peer(connection) in (0, os.geteuid()):
                    connection.settimeout(10)
                    connection.sendall(json.dumps(_answer(_received(connection))).encode())


@contextmanager
def _address(path: Path) -> Iterator[str]:
    """A short name for ``path``: the address of a socket has 107 bytes."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _received(connection: socket.socket) -> dict[str, Any]:
    text = b""
    while not text.endswith(b"\n") and len(text) < _LARGEST_REQUEST:
        part = connection.recv(65536)
        if not part:
            break
        text += part
    request: dict[str, Any] = json.loads(text)
    return request


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"answer": _COMMANDS[request["command"]](**request.get("options", {}))}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def _snapshot() -> dict[str, Any]:
    return read_state(hidden=frozenset({threading.get_ident()}))


def _record(path: str, **options: Any) -> dict[str, Any]:
    from asyncctx_trace.attach.recorder import (
        begin_between_steps,  # much of the package, and seldom needed
    )

    return begin_between_steps(path, frozenset({threading.get_ident()}), **options)


def _detach() -> dict[str, Any]:
    from asyncctx_trace.attach.recorder import end  # see above

    return end()


_COMMANDS: dict[str, Callable[..., Any]] = {
    "snapshot": _snapshot,
    "record": _record,
    "detach": _detach,
}


def _uid_of_peer(connection: socket.socket) -> int:
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    uid: int = _CREDENTIALS.unpack(data)[1]
    return uid


def ask(
    path: Path, uid: int, command: str, options: dict[str, Any], timeout: float
) -> dict[str, Any]:
    """Send ``command`` to the program of user ``uid`` that listens at ``path``.

    Raises AsyncctxTraceError if nobody answers, or the answer is an error.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            with _address(path) as address:
                connection.connect(address)
            if _uid_of_peer(connection) not in (0, uid):
                raise AsyncctxTraceError(f"{path} is another user's: remove it")
            connection.sendall(
                json.dumps({"command": command, "options": options}).encode() + b"\n"
            )
            text = b"".join(iter(lambda: connection.recv(1 << 20), b""))
    except TimeoutError:
        raise AsyncctxTraceError(
            f"the program did not answer within {timeout:g} s: it holds the interpreter lock"
        ) from None
    except OSError as error:
        raise AsyncctxTraceError(f"the program does not answer at {path}: {error}") from None
    if not text:
        raise AsyncctxTraceError(f"the program at {path} refused to answer: it is another user's")
    found = json.loads(text)
    if "error" in found:
        raise AsyncctxTraceError(f"the program could not do that: {found['error']}")
    result: dict[str, Any] = found["answer"]
    return result
