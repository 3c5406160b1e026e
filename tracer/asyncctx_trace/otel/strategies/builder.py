"""The four spans of an acquisition that has ended: lifecycle, enter, body, exit."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.trace import Link, Span, Status, StatusCode

from asyncctx_trace.model import conventions as names
from asyncctx_trace.otel.error_info import ErrorInfo
from asyncctx_trace.otel.live_acquisition import LiveAcquisition, Progress
from asyncctx_trace.otel.strategies.phase_attributes import (
    body_attributes,
    enter_attributes,
    exit_attributes,
    final_attributes,
)
from asyncctx_trace.otel.strategies.strategy import SpanStrategy
from asyncctx_trace.otel.trace_limits import LINKS_PER_SPAN

__all__ = ["build"]

# The SDK would make these of a dict, for each link anew.
_BLOCKED_BY = BoundedAttributes(attributes={names.LINK_KIND: names.BLOCKED_BY})
_BLOCKS = BoundedAttributes(attributes={names.LINK_KIND: names.BLOCKS})


def build(live: LiveAcquisition, progress: Progress, strategy: SpanStrategy) -> int:
    """Pass the spans of ``live``, which has ended, to the provider; return how many."""
    context = strategy.lifecycle_context(live)
    if context is None:
        return 0
    links = _links(progress.blockers, strategy, _BLOCKED_BY)
    blocked = _links(progress.blocked, strategy, _BLOCKS)
    live.spans.trace.spans += (len(links) + len(blocked)) // LINKS_PER_SPAN
    if strategy.use_fast_path(live, context, links, blocked):
        return 4
    failure = live.failure
    lifecycle = strategy.lifecycle_span(live)
    assert lifecycle is not None
    attributes = enter_attributes(live, progress)
    enter = strategy.child_span(live, names.ENTER, live.enter_started, attributes, links)
    _end(enter, strategy.wall_time(live.enter_ended), live.enter_error, failure)
    if live.entered:
        assert live.body is not None
        exit_started = strategy.wall_time(live.exit_started)
        body = strategy.real_body(live.body)
        body.set_attributes(body_attributes(live))
        for link in blocked:
            body.add_link(link.context, link.attributes)
        _end(body, exit_started, live.body_error, failure)
        attributes = exit_attributes(live)
        exit_ = strategy.child_span(live, names.EXIT, live.exit_started, attributes, ())
        _end(exit_, strategy.wall_time(live.exit_ended), live.exit_error, failure)
    lifecycle.set_attributes(final_attributes(live))
    if failure is not None:
        lifecycle.set_status(_status(failure))
        lifecycle.set_attribute(names.FAILURE_TYPE, failure.type)
    lifecycle.end(strategy.wall_time(live.exit_ended or live.enter_ended))
    return 4 if live.entered else 2


def _end(span: Span, at: int, error: ErrorInfo | None, failure: ErrorInfo | None) -> None:
    """End the span of a phase ``at`` wall-clock time, after ``error``.

    ``failure`` is the error that left the ``async with``.
    """
    if not span.is_recording():  # the program has ended it itself
        return
    if error is not None:
        if error.recorded:
            event = {names.EXCEPTION_TYPE: error.type, names.EXCEPTION_MESSAGE: error.message}
            if error.traceback is not None:
                event[names.EXCEPTION_STACKTRACE] = "".join(error.traceback.format())
            span.add_event(names.EXCEPTION_EVENT, event, at)
        if error is failure and not _has_status(span):
            span.set_status(_status(error))
            span.set_attribute(names.FAILURE_TYPE, error.type)
    span.end(at)


def _links(
    others: Sequence[LiveAcquisition], strategy: SpanStrategy, attributes: BoundedAttributes
) -> list[Link]:
    """Return links to the lifecycle spans of ``others``, as far as they have spans."""
    return [
        Link(context, attributes)
        for each in others
        if (context := strategy.lifecycle_context(each)) is not None
    ]


def _has_status(span: Span) -> bool:
    """Return whether the program has set a status itself, as far as the provider shows it."""
    status = getattr(span, "status", None)
    return isinstance(status, Status) and status.status_code is not StatusCode.UNSET


def _status(error: ErrorInfo) -> Status:
    return Status(StatusCode.ERROR, f"{error.type}: {error.message}")
