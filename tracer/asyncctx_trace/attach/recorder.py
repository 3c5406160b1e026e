"""Begin and end the recording of this process, when asked to from outside."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from asyncctx_trace.attach import in_flight
from asyncctx_trace.attach.in_process.reader import Reader
from asyncctx_trace.attach.in_process.threads import stack_of
from asyncctx_trace.attach.open_before import Before, publish_open
from asyncctx_trace.errors import AsyncctxTraceError
from asyncctx_trace.instrument.rewriting import import_hook
from asyncctx_trace.runtime import recording_session

__all__ = ["Detached", "begin", "begin_between_steps", "end"]

_PATIENCE = 0.5
"""Seconds that an event loop gets to answer."""

__asyncctx_trace_look__ = True  # its frames are not the program's
_before: Before | None = None
_had_hooks = False
"""Whether the program had called ``install()`` itself."""


class Detached(Exception):
    """Says in a recording why it stops: somebody had attached to the process, and has left."""


def begin(path: str, hidden: frozenset[int] = frozenset(), **options: Any) -> dict[str, Any]:
    """Record this process to the existing file ``path`` until :func:`end`.

    Modules are rewritten for later calls; what is held and waited for already is recorded first.

    Args:
        path: The recording.
        hidden: Threads of ours.
        options: ``keep`` and ``redact`` of :class:`asyncctx_trace.record`; ``include``,
            ``exclude``, ``all`` and ``waits`` of :func:`asyncctx_trace.install`.

    Returns:
        How many acquisitions are ``held``, and how many tasks wait (``waits``).

    Raises:
        AsyncctxTraceError: This process is recorded already.
    """
    global _before, _had_hooks
    other = recording_session.recording()
    if other is not None:
        raise AsyncctxTraceError(
            f"it is recorded already: follow it with `asyncctx-trace replay {other}`"
        )
    keep, redact = options.pop("keep", None), options.pop("redact", False)
    recording_session.join(Path(path), keep, redact=redact)
    try:
        _had_hooks = import_hook.is_installed()
        if not _had_hooks:
            import_hook.install(**options)
        _before = publish_open(hidden)
    except BaseException:
        end()
        raise
    recording_session.mark(
        f"attached: {_before.held} acquisitions and {_before.waits} waits were open before we came"
    )
    return {"held": _before.held, "waits": _before.waits}


def begin_between_steps(
    path: str, hidden: frozenset[int] = frozenset(), **options: Any
) -> dict[str, Any]:
    """Call :func:`begin` in the event loop of another thread, if that is at work.

    While it is called, no task of that loop takes a step: what is recorded as held is held still.
    A loop that does not answer within half a second has no task that could take one.
    """
    frames = {
        thread: list(stack_of(frame))
        for thread, frame in sys._current_frames().items()  # noqa: SLF001 - there is no other way
        if thread not in hidden
    }
    loops = Reader(0.0, hidden).loops(frames)
    if not loops:
        return begin(path, hidden, **options)
    lock, started = threading.Lock(), threading.Event()
    done: Future[dict[str, Any]] = Future()

    def run() -> None:
        if lock.acquire(blocking=False):
            started.set()
            try:
                done.set_result(begin(path, hidden, **options))
            except Exception as error:
                done.set_exception(error)

    loops[0][0].call_soon_threadsafe(run)
    if not started.wait(_PATIENCE):
        run()  # the lock lets one of both calls through
    return done.result()


def end() -> dict[str, Any]:
    """End the recording, and give every function its own code back.

    Returns:
        The ``recording`` that has ended, ``None`` if there was none.
    """
    global _before
    path = recording_session.recording()
    if _before is not None:
        _before.forget()
        _before = None
    if not _had_hooks:
        import_hook.uninstall()
    in_flight.forget()
    if path is not None:
        # What is open goes on, unseen: the end of the recording is not that of the program.
        recording_session.give_up(Detached("the program runs on"))
    recording_session.stop()
    return {"recording": None if path is None else str(path)}
