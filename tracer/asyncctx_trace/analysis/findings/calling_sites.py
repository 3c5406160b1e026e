"""The calls of helper functions in which acquisitions are made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from asyncctx_trace.analysis.findings.finding import EVIDENCE
from asyncctx_trace.analysis.snapshot import Snapshot

__all__ = ["called_from", "caller_sites"]

_FAR = 8
"""The number of nested helpers that are followed."""


def called_from(snapshot: Snapshot, row: int) -> str:
    """Return ``" (called from SITE)"`` for the function of ``row``, or ``""`` if unknown."""
    caller = next(_callers(snapshot, row), None)
    return "" if caller is None else f" (called from {snapshot.site_label(caller)})"


def caller_sites(snapshot: Snapshot, rows: Iterable[int]) -> list[int]:
    """Return the sites that called the functions of ``rows``, and the calls that exited them."""
    return list(
        dict.fromkeys(site for row in islice(rows, EVIDENCE) for site in _callers(snapshot, row))
    )


def _callers(snapshot: Snapshot, row: int) -> Iterator[int]:
    """Yield sites, the nearest first.

    A site may know its caller. Otherwise, if an acquisition was made during the enter of another
    one, by a generator or a method, the site of that one is the caller.
    """
    timeline = snapshot.timeline
    for _ in range(_FAR):
        site = timeline.sites.get(timeline.site[row])
        if site is not None and site.caller is not None:
            yield site.caller
        around = snapshot.parents[row]
        asked = timeline.enter_started[row]
        if around < 0 or (timeline.entered(around) and timeline.enter_ended[around] <= asked):
            return  # it stands in a body, where its own site says it all
        yield timeline.site[around]
        if timeline.exit_site[around]:
            yield timeline.exit_site[around]
        row = around
