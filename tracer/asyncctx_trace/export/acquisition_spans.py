"""The spans of one acquisition of a timeline."""

from __future__ import annotations

from collections.abc import Iterator

from asyncctx_trace.analysis.timeline.table import Acquisition, Timeline
from asyncctx_trace.model import conventions as names
from asyncctx_trace.model.events import (
    Collected,
    EnterEnded,
    EnterStarted,
    Event,
    ExitEnded,
    ExitStarted,
)
from asyncctx_trace.recording.format import Anchor
from asyncctx_trace.spans.from_events import SpanBuilder
from asyncctx_trace.spans.span import Span

__all__ = ["spans_of_acquisition"]

_PHASES = (names.ENTER, names.BODY, names.EXIT, names.LIFECYCLE)
_DEPEND_ON_OTHERS = (
    names.WAITERS_BEFORE, names.BLOCKERS, names.LET_IN_BY, names.LET_IN_BY_TASK,
)  # fmt: skip
"""Attributes that depend on other acquisitions."""


def spans_of_acquisition(timeline: Timeline, row: int, anchor: Anchor) -> list[Span]:
    """Return the spans of the acquisition in ``row``: its phases, then the lifecycle.

    They are those of an export with the ``anchor`` of the recording, but for what depends on other
    acquisitions: traces, links, the parent of the lifecycle, and who blocked the enter.
    """
    builder = SpanBuilder(anchor)
    spans = list(builder.add(_events(timeline, timeline.acquisition(row))))
    spans += [span for span in builder.finish() if span.attributes.get(names.PHASE) in _PHASES]
    for span in spans:
        if span.attributes.get(names.PHASE) == names.LIFECYCLE:
            span.parent = None
        for name in _DEPEND_ON_OTHERS:
            span.attributes.pop(name, None)
    return spans


def _events(timeline: Timeline, a: Acquisition) -> Iterator[Event]:
    task = timeline.tasks.get(a.task)
    resource = timeline.resources.get(a.resource)
    sites = [timeline.sites.get(site or 0) for site in (a.site, a.exit_site)]
    sites += [timeline.sites.get(site.caller or 0) for site in sites if site is not None]
    process = timeline.processes.get(task.process) if task is not None else None
    yield from (event for event in (process, task, resource, *sites) if event is not None)
    yield EnterStarted(
        a.enter_started, a.id, a.parent, a.task, a.manager, a.resource, a.site, a.by_call
    )
    if a.enter_ended is not None and a.enter_outcome is not None:
        yield EnterEnded(a.enter_ended, a.id, a.enter_outcome, a.enter_error)
    if a.collected is not None:
        yield Collected(a.collected, a.id)
    if a.exit_started is not None and a.body_outcome is not None:
        yield ExitStarted(
            a.exit_started, a.id, a.exit_task, a.body_outcome, a.body_error, a.exit_site
        )
    if a.exit_ended is not None and a.exit_outcome is not None:
        yield ExitEnded(
            a.exit_ended,
            a.id,
            a.exit_outcome,
            a.suppressed,
            a.exit_error,
            a.exit_flags,
        )
