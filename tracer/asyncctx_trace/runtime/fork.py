"""What happens to a recording and to telemetry when the process forks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial

from asyncctx_trace.instrument import hidden_frames
from asyncctx_trace.instrument.waits import watchdog
from asyncctx_trace.otel import telemetry
from asyncctx_trace.runtime import recording_session

__all__ = ["AFTER_IN_CHILD", "AFTER_IN_PARENT", "BEFORE", "register"]

BEFORE: tuple[Callable[[], None], ...] = (telemetry.before_fork, watchdog.pause_for_fork)
"""Called in the parent, in this order."""

AFTER_IN_PARENT: tuple[Callable[[], None], ...] = (watchdog.continue_after_fork,)
"""Called in the parent, in this order."""

AFTER_IN_CHILD: tuple[Callable[[], None], ...] = (
    hidden_frames.adopt_main_thread,
    watchdog.forget_after_fork,
    telemetry.restart_in_child,
    recording_session.restart_in_child,
)
"""Called in the child, in this order, before any code of the program."""


def register() -> None:
    """Take part in the forks of this process, where the system has them. Call it once."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=partial(call_each, BEFORE),
            after_in_parent=partial(call_each, AFTER_IN_PARENT),
            after_in_child=partial(call_each, AFTER_IN_CHILD),
        )


def call_each(participants: Iterable[Callable[[], None]]) -> None:
    """Call all participants, even if one raises; the program continues without it."""
    for participant in participants:
        try:
            participant()
        except Exception:
            import logging  # most programs never come here

            logging.getLogger("asyncctx_trace").exception(
                "asyncctx-trace: %s failed at a fork; the program continues without it",
                getattr(participant, "__qualname__", participant),
            )
