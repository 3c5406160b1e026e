"""Read the state of another process."""

from __future__ import annotations

from typing import Any

from asyncctx_trace.attach import door
from asyncctx_trace.attach.remote import run_in
from asyncctx_trace.attach.source import script
from asyncctx_trace.attach.target import REMOTE_EXEC, Target
from asyncctx_trace.errors import AsyncctxTraceError

__all__ = ["call", "read_remote_state"]

_READER = ("coroutines", "threads", "reader")


def read_remote_state(target: Target, timeout: float) -> dict[str, Any]:
    """Return what ``in_process.reader.read_state`` returns in ``target``.

    Raises AsyncctxTraceError, in one line, if that is not possible within ``timeout`` seconds.
    """
    text = script(*_READER, ending="\n\ndef _answer():\n    return read_state()\n")
    return call(target, "snapshot", {}, text, timeout)


def call(
    target: Target, command: str, options: dict[str, Any], text: str, timeout: float
) -> dict[str, Any]:
    """Have ``target`` answer ``command``: through its door, or else by running ``text`` in it."""
    if target.door is not None:
        return door.ask(target.door, target.uid, command, options, timeout)
    if target.version is not None and target.version < REMOTE_EXEC:
        raise AsyncctxTraceError(
            f"process {target.pid} runs {target.python}, which can be attached to only if it "
            "listens: start it with ASYNCCTX_TRACE_LISTEN=1, or call asyncctx_trace.listen()"
        )
    return run_in(target, text, timeout)
