"""Add the waits of a batch to their columns with numpy."""

from __future__ import annotations

import numpy as np

from asyncctx_trace.analysis.timeline.record_arrays import (
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
        events.id("acquisition", targets).tolist(),
        events.id("task", targets).tolist(),
        strict=True,
    ):
        waits.add_target(id, awaited)
    fields = (
        events.at[ended],
        events.id("acquisition", ended),
        events.field("outcome", ended),
        events.id_or_zero("resource_or_error", ended),
    )
    for at, id, outcome, woken_by in zip(*(values.tolist() for values in fields), strict=True):
        waits.end(at, id, outcome, woken_by)
