"""Checks spans that somebody else wrote, where they are read: everything after relies on it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from asyncctx_trace.spans.span import Attributes, Span

__all__ = ["MALFORMED", "check_span"]

MALFORMED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What reading a document raises that does not have the structure of its format."""
_MAX_TIME = 1 << 62
"""Times (ns since 1970) below this fit into 64 bits, with what is added to them."""
_KINDS = 6


def check_span(span: Span) -> Span:
    """Return ``span`` if each field has its type and is in its range.

    Raises ValueError, or RecursionError for attributes that are nested too deeply.
    """
    _check(0 <= span.trace < 1 << 128, "traceId", span.trace)
    for name, number in (("spanId", span.id), ("parentSpanId", span.parent or 0)):
        _check(0 <= number < 1 << 64, name, number)
    _check(0 <= span.start <= span.end < _MAX_TIME, "start or end time", (span.start, span.end))
    _check(0 <= span.kind < _KINDS, "kind", span.kind)
    _check(0 <= span.dropped_events < 1 << 32, "droppedEventsCount", span.dropped_events)
    _check_texts("text", (span.name, span.error or "", span.trace_state))
    _check_texts("scope", (span.origin.scope, span.origin.version))
    _check_attributes(span.attributes)
    _check_attributes(span.origin.resource)
    for event in span.events:
        _check(0 <= event.at < _MAX_TIME, "time of an event", event.at)
        _check_texts("name of an event", (event.name,))
        _check_attributes(event.attributes)
    for link in span.links:
        _check(0 <= link.trace < 1 << 128 and 0 <= link.span < 1 << 64, "link", link.span)
        _check_attributes(link.attributes)
    return span


def _check_attributes(attributes: Attributes) -> None:
    _check_texts("key of an attribute", attributes)
    for value in attributes.values():
        _check_value(value)


def _check_value(value: Any) -> None:
    match value:
        case bool() | str() | float() | bytes() | None:
            pass
        case int():
            _check(-(1 << 63) <= value < 1 << 63, "integer attribute", value)
        case list():
            for each in value:
                _check_value(each)
        case dict():
            _check_attributes(value)
        case _:
            _check(False, "attribute", value)


def _check_texts(what: str, texts: Iterable[Any]) -> None:
    for text in texts:
        _check(isinstance(text, str), what, text)


def _check(valid: bool, what: str, value: object) -> None:
    if not valid:
        raise ValueError(f"invalid {what}: {repr(value)[:40]}")
