"""The phase of an acquisition at a point in time."""

from __future__ import annotations

from typing import Literal, TypeAlias

__all__ = ["NOT_YET", "PHASES", "Phase", "phase_at"]

Phase: TypeAlias = Literal["enter", "body", "exit"]

PHASES: tuple[Phase, ...] = ("enter", "body", "exit")
"""The phases in order."""

NOT_YET = -1
"""The value in a column of times if the event has not happened."""


def phase_at(times: tuple[int, int, int, int], entered: bool, at: int) -> Phase | None:
    """Return the phase at time ``at``, ``None`` before the start and after the end.

    ``times`` are the start and end of the enter and of the exit, in ns; ``NOT_YET`` where the event
    has not happened. ``entered``: whether the enter succeeded.
    """
    enter_started, enter_ended, exit_started, exit_ended = times
    if at < enter_started:
        return None
    if enter_ended == NOT_YET or at < enter_ended:
        return "enter"
    if not entered:
        return None
    if exit_started == NOT_YET or at < exit_started:
        return "body"
    if exit_ended == NOT_YET or at < exit_ended:
        return "exit"
    return None
