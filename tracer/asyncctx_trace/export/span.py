"""A span as every format of spans needs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Attributes", "Link", "Origin", "Span", "SpanEvent", "unicode"]

Attributes = dict[str, Any]
"""Values are str, bool, int, float, bytes, or lists and dicts of these."""


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """Where a span comes from: a resource and an instrumentation scope, in OTLP's words."""

    resource: Attributes
    scope: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something that happened during a span, at ``at`` ns since 1970."""

    at: int
    name: str
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Link:
    """A span that this one has to do with."""

    trace: int
    span: int
    attributes: Attributes


@dataclass(slots=True)
class Span:
    """One finished span; times are ns since 1970, ids as numbers."""

    origin: Origin
    trace: int
    id: int
    parent: int | None
    name: str
    start: int
    end: int
    attributes: Attributes = field(default_factory=dict)
    events: list[SpanEvent] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    error: str | None = None
    """Description of the status ERROR; ``None`` for a span that has none."""
    kind: int = 1
    """OTLP's SpanKind; 1 is INTERNAL."""
    dropped_events: int = 0
    trace_state: str = ""


def unicode(text: str) -> str:
    """``text`` with lone surrogates as escapes: they are no Unicode, and no format takes them."""
    return text.encode("utf-8", "backslashreplace").decode()
