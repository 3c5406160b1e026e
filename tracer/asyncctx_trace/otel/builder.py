"""A finished acquisition as four spans: lifecycle, enter, body, exit."""

from __future__ import annotations

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.trace import Link, Span, Status, StatusCode

from asyncctx_trace.model import conventions as names
from asyncctx_trace.otel.acquisition import ErrorWords, LiveAcquisition
from asyncctx_trace.otel.span_content import of_body, of_end, of_enter, of_exit
from asyncctx_trace.otel.tracer import Tracing

__all__ = ["build"]

# As the SDK makes them of a dict, for each link anew.
_BLOCKED_BY = BoundedAttributes(attributes={names.LINK_KIND: names.BLOCKED_BY})


def build(live: LiveAcquisition, tracing: Tracing) -> int:
    """Give the provider the spans of ``live``, which has ended; returns how many."""
    context = tracing.context_of(live)
    if context is None:
        return 0
    links = _blocked_by(live, tracing)
    if tracing.hand_over(live, context, links):
        return 4
    failed = live.failed
    lifecycle = tracing.lifecycle(live)
    assert lifecycle is not None
    enter = tracing.child(live, names.ENTER, live.enter_started, of_enter(live), links)
    _close(enter, tracing, live.enter_ended, live.enter_error, failed)
    if live.entered:
        assert live.body is not None
        body = tracing.real_body(live.body)
        body.set_attributes(of_body(live))
        _close(body, tracing, live.exit_started, live.body_error, failed)
        exit_ = tracing.child(live, names.EXIT, live.exit_started, of_exit(live), ())
        _close(exit_, tracing, live.exit_ended, live.exit_error, failed)
    lifecycle.set_attributes(of_end(live))
    if failed is not None:
        lifecycle.set_status(_error(failed))
    lifecycle.end(tracing.wall(live.exit_ended or live.enter_ended))
    return 4 if live.entered else 2


def _close(
    span: Span,
    tracing: Tracing,
    end: int,
    error: ErrorWords | None,
    failed: ErrorWords | None,
) -> None:
    if not span.is_recording():  # the program has ended it itself
        return
    at = tracing.wall(end)
    if error is not None:
        if error.recorded:
            event = {names.EXCEPTION_TYPE: error.type, names.EXCEPTION_MESSAGE: error.message}
            if error.traceback is not None:
                event[names.EXCEPTION_STACKTRACE] = "".join(error.traceback.format())
            span.add_event(names.EXCEPTION_EVENT, event, at)
        if error is failed and not _has_status(span):
            span.set_status(_error(error))
    span.end(at)


def _blocked_by(live: LiveAcquisition, tracing: Tracing) -> list[Link]:
    """Links to who was in its way."""
    if not live.blockers:
        return []
    return [
        Link(context, _BLOCKED_BY)
        for holder in live.blockers
        if (context := tracing.context_of(holder)) is not None
    ]


def _has_status(span: Span) -> bool:
    """Whether the program has set a status itself, as far as the provider lets us see."""
    status = getattr(span, "status", None)
    return isinstance(status, Status) and status.status_code is not StatusCode.UNSET


def _error(error: ErrorWords) -> Status:
    return Status(StatusCode.ERROR, f"{error.type}: {error.message}")
