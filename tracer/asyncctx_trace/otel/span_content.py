"""What each of the four spans of an acquisition that is over says."""

from __future__ import annotations

from typing import Any

from asyncctx_trace.model import conventions as names
from asyncctx_trace.otel.acquisition import ErrorWords, LiveAcquisition
from asyncctx_trace.spans.attributes import of_exit_flags, of_phase, of_site

__all__ = ["of_body", "of_end", "of_enter", "of_exit"]


def of_end(live: LiveAcquisition) -> dict[str, Any]:
    """What the lifecycle span says beyond what was known at the beginning."""
    return {names.OUTCOME: names.OUTCOMES[live.outcome], names.SUPPRESSED: live.suppressed}


def of_enter(live: LiveAcquisition) -> dict[str, Any]:
    attributes = of_phase(names.ENTER, live.enter_outcome, _words(live.enter_error))
    if live.waiters_before is not None:
        attributes[names.WAITERS_BEFORE] = live.waiters_before
        attributes[names.BLOCKERS] = live.blocker_count
    return attributes


def of_body(live: LiveAcquisition) -> dict[str, Any]:
    return of_phase(names.BODY, live.body_outcome, _words(live.body_error))


def of_exit(live: LiveAcquisition) -> dict[str, Any]:
    attributes = of_phase(names.EXIT, live.exit_outcome, _words(live.exit_error))
    attributes[names.SUPPRESSED] = live.suppressed
    if live.exit_task is not None:
        attributes[names.EXIT_TASK_ID] = live.exit_task.id
        attributes[names.EXIT_TASK_NAME] = live.exit_task.name
    if live.exit_site is not None:
        attributes |= of_site(live.exit_site)
    return attributes | of_exit_flags(live.exit_flags)


def _words(error: ErrorWords | None) -> tuple[str, str] | None:
    return None if error is None else (error.type, error.message)
