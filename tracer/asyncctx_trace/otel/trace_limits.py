"""When an acquisition begins a new trace instead of being part of that of the body around it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LINKS_PER_SPAN", "SPANS_PER_ACQUISITION", "TraceLimits", "TraceSize"]

SPANS_PER_ACQUISITION = 4
LINKS_PER_SPAN = 4
"""So many links are as large as a span."""


@dataclass(slots=True, frozen=True)
class TraceLimits:
    """The age and the size from which on acquisitions in a body begin new traces."""

    max_age: int
    """Age of the body (ns)."""
    max_spans: int
    """Spans in its trace."""


@dataclass(slots=True, eq=False)
class TraceSize:
    """How many spans of ours are in a trace; acquisitions of the same trace share it.

    Written by the strategy under its lock and by the worker.
    """

    spans: int = 0
