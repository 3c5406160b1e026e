"""Add the waits of a batch to their columns with numpy."""

from __future__ import annotations

from array import array

import numpy as np

from asyncctx_trace.analysis.timeline.record_arrays import (
    RecordArrays,
    column_of,
    runs_of,
    stable_order,
)
from asyncctx_trace.analysis.timeline.wait_columns import WaitColumns
from asyncctx_trace.recording.format import RecordKind

__all__ = ["add_waits"]


def add_waits(waits: WaitColumns, events: RecordArrays) -> None:
    """Add the starts, the targets and the ends of waits."""
    new, ended = events.of(RecordKind.WAIT_STARTED), events.of(RecordKind.WAIT_ENDED)
    if not len(new) and not len(ended):
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
    order = stable_order(task)
    for key, start, end in runs_of(task[order]):
        waits.rows_of_task.setdefault(key, array("q")).extend(
            column_of(order[start:end] + rows.start)
        )
    for target in events.of(RecordKind.WAIT_TARGET).tolist():
        where = np.array([target])
        waits.add_target(int(events.id("acquisition", where)[0]), int(events.id("task", where)[0]))
    fields = (
        events.at[ended],
        events.id("acquisition", ended),
        events.field("outcome", ended),
        events.id_or_zero("resource_or_error", ended),
    )
    for at, id, outcome, woken_by in zip(*(values.tolist() for values in fields), strict=True):
        waits.end(at, id, outcome, woken_by)
