"""Begin and end the recording of this process, when asked to from outside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from asyncctx_trace.attach import in_flight
from asyncctx_trace.attach.open_before import Before, publish_open
from asyncctx_trace.errors import AsyncctxTraceError
from asyncctx_trace.instrument.rewriting import import_hook
from asyncctx_trace.runtime import recording_session

__all__ = ["Detached", "begin", "end"]

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
