"""Values that more than one package must agree on."""

from __future__ import annotations

from typing import Final

__all__ = ["HIDDEN_FILE", "MAX_TRACE_SPANS", "NEW_TRACE_AFTER", "PROCESS_SHIFT", "SAMPLE"]

HIDDEN_FILE: Final = "<importlib._bootstrap of asyncctx_trace>"
"""File name of our code objects whose frames are hidden.

``warnings.warn`` skips frames whose file name contains both ``importlib`` and ``_bootstrap``.
"""

MAX_TRACE_SPANS: Final = 8_000
"""Spans of a trace from which on an acquisition begins a new, linked one.

Back ends limit the size of a trace; 8,000 spans are about 4 MB, and Grafana Tempo accepts 5 MB.
"""

NEW_TRACE_AFTER: Final = 300.0
"""Seconds after the start of a trace from which on an acquisition begins a new, linked one."""

SAMPLE: Final = "sample"
"""The trigger of a dump with acquisitions that were chosen at random."""

PROCESS_SHIFT: Final = 32
"""Ids are unique within a process; in events, the bits from this one up are the process's number.

So the ids in a recording of a single process are those that the process used."""
