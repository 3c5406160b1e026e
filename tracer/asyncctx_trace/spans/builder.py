"""A finished acquisition as four spans: lifecycle, enter, body, exit."""

from __future__ import annotations

from opentelemetry.trace import Link, Span, Status, StatusCode

from asyncctx_trace.spans import conventions as names
from asyncctx_trace.spans.attributes import of_phase
from asyncctx_trace.spans.live import ErrorWords, LiveAcquisition
from asyncctx_trace.spans.tracing import Tracing

__all__ = ["build"]


def build(live: LiveAcquisition, tracing: Tracing) -> int:
    """Start and end the spans of ``live``, which has ended; returns how many."""
    lifecycle = tracing.lifecycle(live)
    if lifecycle is None:
        return 0
    failed = live.failed
    _enter(live, tracing, failed)
    if live.entered:
        _body(live, tracing, failed)
        _exit(live, tracing, failed)
    lifecycle.set_attributes(
        {names.OUTCOME: names.OUTCOMES[live.outcome], names.SUPPRESSED: live.suppressed}
    )
    if failed is not None:
        lifecycle.set_status(_error(failed))
    lifecycle.end(tracing.wall(live.exit_ended or live.enter_ended))
    return 4 if live.entered else 2


def _enter(live: LiveAcquisition, tracing: Tracing, failed: ErrorWords | None) -> None:
    attributes = of_phase(names.ENTER, live.enter_outcome, _words(live.enter_error))
    if live.waiters_before is not None:
        attributes[names.WAITERS_BEFORE] = live.waiters_before
        attributes[names.BLOCKERS] = live.blocker_count
    links = [
        Link(context, {names.LINK_KIND: names.BLOCKED_BY})
        for holder in live.blockers
        if (context := tracing.context_of(holder)) is not None
    ]
    span = tracing.child(live, names.ENTER, live.enter_started, attributes, links)
    _close(span, tracing, live.enter_ended, live.enter_error, failed)


def _body(live: LiveAcquisition, tracing: Tracing, failed: ErrorWords | None) -> None:
    assert live.body is not None
    span = tracing.real_body(live.body)
    span.set_attributes(of_phase(names.BODY, live.body_outcome, _words(live.body_error)))
    _close(span, tracing, live.exit_started, live.body_error, failed)


def _exit(live: LiveAcquisition, tracing: Tracing, failed: ErrorWords | None) -> None:
    attributes = of_phase(names.EXIT, live.exit_outcome, _words(live.exit_error))
    attributes[names.SUPPRESSED] = live.suppressed
    if live.exit_task is not None:
        attributes[names.EXIT_TASK_ID] = live.exit_task.id
        attributes[names.EXIT_TASK_NAME] = live.exit_task.name
    span = tracing.child(live, names.EXIT, live.exit_started, attributes, ())
    _close(span, tracing, live.exit_ended, live.exit_error, failed)


def _words(error: ErrorWords | None) -> tuple[str, str] | None:
    return None if error is None else (error.type, error.message)


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


def _has_status(span: Span) -> bool:
    """Whether the program has set a status itself, as far as the provider lets us see."""
    status = getattr(span, "status", None)
    return isinstance(status, Status) and status.status_code is not StatusCode.UNSET


def _error(error: ErrorWords) -> Status:
    return Status(StatusCode.ERROR, f"{error.type}: {error.message}")
