"""Open the door for `asyncctx-trace attach`, where the program or its environment asks for it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from asyncctx_trace.errors import AsyncctxTraceError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ENVIRONMENT", "listen", "listen_from_environment"]

ENVIRONMENT = "ASYNCCTX_TRACE_LISTEN"
"""The environment variable that opens the door: ``1``."""


def listen() -> Path:
    """Let `asyncctx-trace attach` look into this process, and record it; returns the socket.

    Needed before Python 3.14, or where remote debugging is disabled. The socket accepts connections
    of this user and of root alone. A thread of our own answers them; while nobody is connected, it
    sleeps. A second call returns the same socket.

    Raises:
        AsyncctxTraceError: There are no Unix sockets here, or the folder is not the user's alone.
        OSError: The socket cannot be created.

    Example:
        >>> from asyncctx_trace import listen
        >>> listen().suffix
        '.sock'
    """
    from asyncctx_trace.attach.door import open_door  # most programs need no sockets of ours

    return open_door()


def listen_from_environment() -> None:
    """Listen if ``ASYNCCTX_TRACE_LISTEN`` is set; an error is printed as one line."""
    if os.environ.get(ENVIRONMENT, "") in ("", "0"):
        return
    try:
        listen()
    except (AsyncctxTraceError, OSError) as error:
        print(f"asyncctx-trace: not listening: {error}", file=sys.stderr)
