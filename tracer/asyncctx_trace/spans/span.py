"""The value types of spans that are recorded, exported or imported."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Attributes", "Link", "Origin", "Span", "SpanEvent", "by_origin", "to_unicode"]

Attributes = dict[str, Any]
"""Values are str, bool, int, float, bytes, or lists and dicts of these."""


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """The source of a span: an OTLP resource and an instrumentation scope."""

    resource: Attributes
    scope: str
    version: str = ""
    schema_url: str = ""


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """An event during a span, at ``at`` ns since 1970."""

    at: int
    name: str
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Link:
    """A reference to another span."""

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
    """The description of the status ERROR; ``None`` if the status is not ERROR."""
    kind: int = 1
    """OTLP's SpanKind; 1 is INTERNAL."""
    dropped_events: int = 0
    trace_state: str = ""


def by_origin(spans: Iterable[Span]) -> dict[Origin, list[Span]]:
    """Group ``spans`` by their origin, in their order."""
    groups: dict[Origin, list[Span]] = {}
    for span in spans:
        groups.setdefault(span.origin, []).append(span)
    return groups


def to_unicode(text: str) -> str:
    """Return ``text`` with lone surrogates as escapes, which are valid in every format."""
    return text.encode("utf-8", "backslashreplace").decode()
