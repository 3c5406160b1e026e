"""Have another process tell its state, or record itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from asyncctx_trace.attach import door
from asyncctx_trace.attach.remote import run_in
from asyncctx_trace.attach.source import script
from asyncctx_trace.attach.target import REMOTE_EXEC, Target
from asyncctx_trace.errors import AsyncctxTraceError

__all__ = ["begin_recording", "end_recording", "read_remote_state"]

_PACKAGE = Path(__file__).parents[2]
_READER = ("coroutines", "threads", "reader")


def read_remote_state(target: Target, timeout: float) -> dict[str, Any]:
    """Return what ``in_process.reader.read_state`` returns in ``target``.

    Raises AsyncctxTraceError, in one line, if that is not possible within ``timeout`` seconds.
    """
    text = script(*_READER, ending="\n\ndef _answer():\n    return read_state()\n")
    return _call(target, "snapshot", {}, text, timeout)


_RECORD = """

def _answer():
    import sys

    folder = {folder!r}
    loaded = "asyncctx_trace" in sys.modules
    if not loaded:
        sys.path.append(folder)
    try:
        from asyncctx_trace.attach.recorder import {function}
    except ImportError as error:
        raise ImportError(f"asyncctx_trace cannot be imported in it: {{error}}") from None
    finally:
        if not loaded:
            sys.path.remove(folder)
    return {function}({arguments})
"""


def begin_recording(
    target: Target, recording: Path, options: dict[str, Any], timeout: float
) -> dict[str, Any]:
    """Have ``target`` record itself to ``recording``, which exists, until :func:`end_recording`.

    ``options`` are those of ``recorder.begin``, which also says what is returned. If the package is
    not installed in the environment of ``target``, this one is used.

    Raises AsyncctxTraceError, in one line, if that is not possible.
    """
    arguments = f"{str(recording)!r}, **{options!r}"
    text = _RECORD.format(folder=str(_PACKAGE), function="begin", arguments=arguments)
    return _call(
        target,
        "record",
        {"path": str(recording), **options},
        script(ending=text),
        timeout,
    )


def end_recording(target: Target, timeout: float) -> dict[str, Any]:
    """Have ``target`` end its recording, and be as it was; returns the ``recording``."""
    text = _RECORD.format(folder=str(_PACKAGE), function="end", arguments="")
    return _call(target, "detach", {}, script(ending=text), timeout)


def _call(
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
