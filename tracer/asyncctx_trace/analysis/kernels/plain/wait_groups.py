"""Waits added up by kind, subject and site, in plain Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from asyncctx_trace.analysis.kernels.wait_groups import MOST_WAKERS, WaitGroup
from asyncctx_trace.analysis.statistics import DurationStats
from asyncctx_trace.analysis.timeline.phases import NOT_YET
from asyncctx_trace.analysis.timeline.wait_columns import WaitColumns
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.model.waits import OF_TASKS, WaitKind

__all__ = ["wait_groups"]


def wait_groups(
    waits: WaitColumns, rows: Sequence[int], names: Mapping[int, int], now: int
) -> list[WaitGroup]:
    """Return the groups of ``rows``, in order of their first waits."""
    members: dict[tuple[int, int, int], list[int]] = {}
    for row in rows:
        kind = waits.kind[row]
        name = 0 if kind in OF_TASKS else names.get(waits.subject[row], 0)
        members.setdefault((waits.site[row], kind, name), []).append(row)
    return [_group(waits, alike, now) for alike in members.values()]


def _group(waits: WaitColumns, rows: list[int], now: int) -> WaitGroup:
    lengths = [
        (max(start, now) if end == NOT_YET else end) - start
        for start, end in ((waits.started[row], waits.ended[row]) for row in rows)
    ]
    ended = [row for row in rows if waits.ended[row] != NOT_YET]
    outcomes = Counter(waits.outcome[row] for row in ended)
    wakers = Counter(waits.woken_by[row] for row in ended)
    most = sorted(wakers.items(), key=lambda each: (-each[1], each[0]))[:MOST_WAKERS]
    first = rows[0]
    kind = WaitKind(waits.kind[first])
    return WaitGroup(
        kind=kind,
        subject=0 if kind in OF_TASKS else waits.subject[first],
        site=waits.site[first],
        first=first,
        longest=rows[lengths.index(max(lengths))],
        duration=DurationStats.of(lengths),
        open=len(rows) - len(ended),
        cancelled=outcomes[Outcome.CANCELLED],
        failed=len(ended) - outcomes[Outcome.OK] - outcomes[Outcome.CANCELLED],
        wakers=tuple(most),
        waker_count=len(wakers),
    )
