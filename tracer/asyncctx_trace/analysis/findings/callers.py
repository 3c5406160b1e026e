"""Where the program called the helper in which an acquisition stands."""

from __future__ import annotations

from collections.abc import Iterable

from asyncctx_trace.analysis.case import Case

__all__ = ["called_from", "caller_of", "caller_sites"]


def caller_of(case: Case, row: int) -> int | None:
    """Return the site at which the program called the function of ``row``, where it is known.

    The site itself may say so. Otherwise, where another acquisition is around it in a generator or
    method of its own, that one's site is the place that the program entered it from.
    """
    timeline = case.timeline
    site = timeline.sites.get(timeline.site[row])
    if site is None:
        return None
    if site.caller is not None:
        return site.caller
    around = case.parents[row]
    asked = timeline.enter_started[row]
    in_body = around >= 0 and timeline.entered(around) and timeline.enter_ended[around] <= asked
    if around < 0 or in_body:  # there its own site says it all
        return None
    return timeline.site[around]


def called_from(case: Case, row: int) -> str:
    """Say from where, ``""`` where that is not known."""
    caller = caller_of(case, row)
    return "" if caller is None else f" (called from {case.place(caller)})"


def caller_sites(case: Case, rows: Iterable[int]) -> list[int]:
    """Return the sites of the callers of ``rows`` that are known."""
    return [site for row in rows if (site := caller_of(case, row)) is not None]
