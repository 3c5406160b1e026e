"""The part of a recording between two moments."""

from __future__ import annotations

from collections.abc import Iterable

from asyncctx_trace.events import (
    EnterEnded,
    EnterStarted,
    Event,
    ExitEnded,
    ExitStarted,
    Outcome,
    ResourceDefined,
    SiteDefined,
)

__all__ = ["between"]


def between(events: Iterable[Event], since: int | None, until: int | None) -> list[Event]:
    """What was going on at some time from ``since`` to ``until`` (monotonic ns).

    Acquisitions that had ended before are left out; what was in flight at ``until`` stays so.
    """
    kept = [event for event in events if until is None or _at(event) <= until]
    if since is None:
        return kept
    over = {
        event.acquisition
        for event in kept
        if (
            isinstance(event, ExitEnded)
            or (isinstance(event, EnterEnded) and event.outcome is not Outcome.OK)
        )
        and event.at < since
    }
    facts = (EnterStarted, EnterEnded, ExitStarted, ExitEnded)
    return [e for e in kept if not (isinstance(e, facts) and e.acquisition in over)]


def _at(event: Event) -> int:
    return 0 if isinstance(event, ResourceDefined | SiteDefined) else event.at
