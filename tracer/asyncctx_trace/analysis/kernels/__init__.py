"""The same answers with numpy, for recordings of a million.

Each module bears the name of the one that it stands in for, and gives to the last ns what that
one gives; where numbers might outgrow 64 bits it lets Python's own do the work.
"""

from __future__ import annotations

from collections.abc import Sized
from functools import cache
from importlib.util import find_spec

from asyncctx_trace.analysis.timeline.table import Timeline

__all__ = ["pays", "there"]

MANY = 2_000
"""Acquisitions from which on numpy is worth its import."""
FEW = 50
"""Rows for which a loop is faster than numpy's calls."""


def pays(timeline: Timeline, rows: Sized | None = None) -> bool:
    """Whether numpy is there, and faster for ``timeline``, or for some ``rows`` of it."""
    size = len(timeline)
    return size >= MANY and (size if rows is None else len(rows)) >= FEW and there()


@cache
def there() -> bool:
    """Whether there is numpy."""
    return find_spec("numpy") is not None
