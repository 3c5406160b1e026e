"""Select the events between two times, event by event."""

from __future__ import annotations

from collections.abc import Iterable

from asyncctx_trace.model.events import (
    Collected,
    Definition,
    EnterEnded,
    EnterStarted,
    Event,
    ExitEnded,
    ExitStarted,
    Outcome,
    ResourceDefined,
    SiteDefined,
    WaitEnded,
    WaitStarted,
    WaitTarget,
)

__all__ = ["ended_before", "event_times", "happened_by", "select"]

_OF_ACQUISITIONS = EnterStarted, EnterEnded, ExitStarted, ExitEnded, Collected
_OF_WAITS = WaitStarted, WaitTarget, WaitEnded


def event_times(events: Iterable[Event]) -> list[int]:
    """Return the times of all events other than definitions."""
    return [event.at for event in events if not isinstance(event, Definition)]


def ended_before(batches: Iterable[Iterable[Event]], since: int, until: int | None) -> set[int]:
    """Return the acquisitions and waits that ended before ``since``, as known at ``until``."""
    return {
        event.wait if isinstance(event, WaitEnded) else event.acquisition
        for batch in batches
        for event in batch
        if (
            isinstance(event, ExitEnded | WaitEnded)
            or (isinstance(event, EnterEnded) and event.outcome is not Outcome.OK)
        )
        and event.at < since
        and happened_by(event, until)
    }


def select(events: Iterable[Event], until: int | None, ended: set[int]) -> list[Event]:
    """Return the events up to ``until`` without those of the acquisitions ``ended``."""
    return [
        event
        for event in events
        if happened_by(event, until)
        and not (isinstance(event, _OF_ACQUISITIONS) and event.acquisition in ended)
        and not (isinstance(event, _OF_WAITS) and event.wait in ended)
    ]


def happened_by(event: Event, until: int | None) -> bool:
    """Return whether ``event`` has happened by then; sites and resources have no time."""
    return until is None or isinstance(event, ResourceDefined | SiteDefined) or event.at <= until
