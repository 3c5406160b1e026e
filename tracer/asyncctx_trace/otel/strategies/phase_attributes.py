"""The attributes of the spans of an acquisition that has ended."""

from __future__ import annotations

from typing import Any

from asyncctx_trace.model import conventions as names
from asyncctx_trace.otel.error_info import ErrorInfo
from asyncctx_trace.otel.live_acquisition import LiveAcquisition, Progress
from asyncctx_trace.spans.attributes import (
    exit_flag_attributes,
    phase_attributes,
    place_attributes,
    release_attributes,
)

__all__ = ["body_attributes", "enter_attributes", "exit_attributes", "final_attributes"]


def final_attributes(live: LiveAcquisition) -> dict[str, Any]:
    """Return what the lifecycle span gets at its end."""
    return {names.OUTCOME: names.OUTCOMES[live.outcome], names.SUPPRESSED: live.suppressed}


def enter_attributes(live: LiveAcquisition, progress: Progress) -> dict[str, Any]:
    """Return the attributes of the enter."""
    attributes = phase_attributes(
        names.ENTER, live.enter_outcome, _type_and_message(live.enter_error)
    ) | place_attributes(live.resource, live.site)
    if progress.waiters_before is not None:
        attributes[names.WAITERS_BEFORE] = progress.waiters_before
        attributes[names.BLOCKERS] = progress.blocker_count
    return attributes


def body_attributes(live: LiveAcquisition) -> dict[str, Any]:
    """Return the attributes of the body."""
    attributes = phase_attributes(names.BODY, live.body_outcome, _type_and_message(live.body_error))
    attributes |= place_attributes(live.resource, live.site)
    if live.progress is not None and live.progress.let_in_by is not None:
        attributes[names.LET_IN_BY], attributes[names.LET_IN_BY_TASK] = live.progress.let_in_by
    return attributes


def exit_attributes(live: LiveAcquisition) -> dict[str, Any]:
    """Return the attributes of the exit."""
    attributes = phase_attributes(names.EXIT, live.exit_outcome, _type_and_message(live.exit_error))
    attributes |= place_attributes(live.resource, live.site)
    attributes[names.SUPPRESSED] = live.suppressed
    if live.exit_task is not None:
        attributes[names.EXIT_TASK_ID] = live.exit_task.id
        attributes[names.EXIT_TASK_NAME] = live.exit_task.name
    if live.exit_site is not None:
        attributes |= release_attributes(live.exit_site)
    return attributes | exit_flag_attributes(live.exit_flags)


def _type_and_message(error: ErrorInfo | None) -> tuple[str, str] | None:
    return None if error is None else (error.type, error.message)
