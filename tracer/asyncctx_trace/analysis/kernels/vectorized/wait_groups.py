"""Waits added up by kind, subject and site, with numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from asyncctx_trace.analysis.kernels.vectorized.arrays import Integers, exact_sum, runs, view
from asyncctx_trace.analysis.kernels.wait_groups import MOST_WAKERS, WaitGroup
from asyncctx_trace.analysis.statistics import DurationStats
from asyncctx_trace.analysis.timeline.phases import NOT_YET
from asyncctx_trace.analysis.timeline.wait_columns import WaitColumns
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.model.waits import OF_TASKS, WaitKind

__all__ = ["wait_groups"]

_KINDS = max(WaitKind) + 1


def wait_groups(
    waits: WaitColumns, rows: Sequence[int], names: Mapping[int, int], now: int
) -> list[WaitGroup]:
    """Return the groups of ``rows``, in order of their first waits. O(n log n)."""
    if not len(rows):
        return []
    every = np.asarray(rows, np.int64)
    kinds = np.frombuffer(waits.kind, np.uint8)[every].astype(np.int64)
    known, index = np.unique(view(waits.subject)[every], return_inverse=True)
    name = np.array([names.get(subject, 0) for subject in known.tolist()], np.int64)[index]
    name[np.isin(kinds, list(OF_TASKS))] = 0
    _, site = np.unique(view(waits.site)[every], return_inverse=True)
    keys = (site * _KINDS + kinds) * (max(names.values(), default=0) + 1) + name
    order = np.argsort(keys, kind="stable")
    bounds = np.append(runs(keys[order]), len(order)).tolist()
    groups = [_group(waits, every[order[start:end]], now) for start, end in pairwise(bounds)]
    return sorted(groups, key=lambda group: group.first)


def _group(waits: WaitColumns, rows: Integers, now: int) -> WaitGroup:
    starts, ends = view(waits.started)[rows], view(waits.ended)[rows]
    has_ended = ends != NOT_YET
    lengths = np.where(has_ended, ends, np.maximum(starts, now)) - starts
    in_order = np.sort(lengths)
    ended = rows[has_ended]
    outcomes = np.bincount(np.frombuffer(waits.outcome, np.uint8)[ended], minlength=8)
    wakers, counts = np.unique(view(waits.woken_by)[ended], return_counts=True)
    most = np.argsort(-counts, kind="stable")[:MOST_WAKERS]
    first = int(rows[0])
    kind = WaitKind(waits.kind[first])
    fine, cancelled = int(outcomes[Outcome.OK]), int(outcomes[Outcome.CANCELLED])
    return WaitGroup(
        kind=kind,
        subject=0 if kind in OF_TASKS else waits.subject[first],
        site=waits.site[first],
        first=first,
        longest=int(rows[np.argmax(lengths)]),
        duration=DurationStats.of_sorted(in_order, exact_sum(in_order)),
        open=len(rows) - len(ended),
        cancelled=cancelled,
        failed=len(ended) - fine - cancelled,
        wakers=tuple(zip(wakers[most].tolist(), counts[most].tolist(), strict=True)),
        waker_count=len(wakers),
    )
