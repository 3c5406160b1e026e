"""Add the waits of a batch to their columns with numpy."""

from __future__ import annotations

import numpy as np

from asyncctx_trace.analysis.timeline.record_arrays import (
    Integers,
    RecordArrays,
    column_of,
    group_rows,
)
from asyncctx_trace.analysis.timeline.wait_columns import WaitColumns
from asyncctx_trace.recording.format import RecordKind

__all__ = ["add_waits"]


def add_waits(waits: WaitColumns, events: RecordArrays) -> None:
    """Add the starts, the targets and the ends of waits."""
    new, targets, ended = (
        events.of(kind)
        for kind in (RecordKind.WAIT_STARTED, RecordKind.WAIT_TARGET, RecordKind.WAIT_ENDED)
    )
    if not len(new) and not len(targets) and not len(ended):
        return
    ids = events.id("acquisition", new)
    task = events.id("task", new)
    of_targets, of_ended = events.id("acquisition", targets), events.id("acquisition", ended)
    if not (
        _all_before(_first(ids, new), of_targets, targets)
        and _all_before(_first(ids, new), of_ended, ended)
        and _none_after(_first(of_ended, ended), of_targets, targets)
        and _none_after(_first(of_ended, ended), ids, new)
    ):
        _add_one_by_one(waits, events, np.sort(np.concatenate([new, targets, ended])))
        return
    if len(np.unique(ids)) != len(ids) or not waits.open.keys().isdisjoint(ids.tolist()):
        keep = ~np.isin(ids, np.fromiter(waits.open, np.int64, len(waits.open)))
        _, first_of = np.unique(ids, return_index=True)
        once = np.zeros(len(ids), np.bool_)
        once[first_of] = True
        new, ids, task = new[keep & once], ids[keep & once], task[keep & once]
    rows = waits.extend(
        id=column_of(ids),
        task=column_of(task),
        kind=column_of(events.field("flags", new), "B"),
        subject=column_of(events.id_or_zero("resource_or_error", new)),
        site=column_of(events.id("site", new)),
        started=column_of(events.at[new]),
    )
    group_rows(waits.rows_of_task, task, np.arange(rows.start, rows.stop))
    for id, awaited in zip(
        of_targets.tolist(),
        events.id("task", targets).tolist(),
        strict=True,
    ):
        waits.add_target(id, awaited)
    fields = (
        events.at[ended],
        of_ended,
        events.field("outcome", ended),
        events.id_or_zero("resource_or_error", ended),
    )
    for at, id, outcome, woken_by in zip(*(values.tolist() for values in fields), strict=True):
        waits.end(at, id, outcome, woken_by)


_First = tuple[Integers, Integers]
"""Ids, sorted, and the first position of each."""


def _first(ids: Integers, positions: Integers) -> _First:
    unique, index = np.unique(ids, return_index=True)
    return unique, positions[index]


def _of(first: _First, ids: Integers) -> tuple[Integers, Integers]:
    """Return which of ``ids`` are in ``first``, and the first positions of those."""
    known, positions = first
    if not len(known):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    index = np.minimum(np.searchsorted(known, ids), len(known) - 1)
    where = np.flatnonzero(known[index] == ids)
    return where, positions[index[where]]


def _all_before(first: _First, ids: Integers, positions: Integers) -> bool:
    """Return whether the first position of each of ``ids`` is before that in ``positions``."""
    where, before = _of(first, ids)
    return bool(np.all(before < positions[where]))


def _none_after(first: _First, ids: Integers, positions: Integers) -> bool:
    """Return whether none of ``positions`` is after the first position of the same id."""
    where, last = _of(first, ids)
    return bool(np.all(positions[where] < last))


def _add_one_by_one(waits: WaitColumns, events: RecordArrays, where: Integers) -> None:
    """Add events of waits that are in no order that a recorder writes."""
    values = zip(
        events.field("kind", where).tolist(),
        events.at[where].tolist(),
        events.id("acquisition", where).tolist(),
        events.id("task", where).tolist(),
        events.field("flags", where).tolist(),
        events.field("outcome", where).tolist(),
        events.id_or_zero("resource_or_error", where).tolist(),
        events.id("site", where).tolist(),
        strict=True,
    )
    for kind, at, id, task, wait_kind, outcome, other, site in values:
        if kind == RecordKind.WAIT_ENDED:
            waits.end(at, id, outcome, other)
        elif kind == RecordKind.WAIT_TARGET:
            waits.add_target(id, task)
        elif id not in waits.open:
            waits.start(at, id, task, wait_kind, other, site)
