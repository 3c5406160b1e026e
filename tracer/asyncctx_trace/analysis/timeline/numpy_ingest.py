"""Add the events of a batch to acquisition columns with numpy."""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

from asyncctx_trace.analysis.timeline.acquisition_columns import AcquisitionColumns
from asyncctx_trace.analysis.timeline.numpy_waits import add_waits
from asyncctx_trace.analysis.timeline.phases import NOT_YET, Phase
from asyncctx_trace.analysis.timeline.record_arrays import (
    Integers,
    RecordArrays,
    column_of,
    group_rows,
    runs_of,
    stable_order,
)
from asyncctx_trace.model.events import Heartbeat, ReleaseUnmatched
from asyncctx_trace.model.outcomes import EnterFlag, Outcome
from asyncctx_trace.recording.format import RecordKind
from asyncctx_trace.recording.reading.batch import Batch
from asyncctx_trace.recording.reading.decode import UNKNOWN_MANAGER

__all__ = ["add_batch"]

_PHASES: dict[RecordKind, Phase] = {
    RecordKind.ENTER_ENDED: "enter",
    RecordKind.EXIT_STARTED: "body",
    RecordKind.EXIT_ENDED: "exit",
}


def add_batch(columns: AcquisitionColumns, batch: Batch) -> bool:
    """Add the records of ``batch``, and the times of its notes, to ``columns``.

    The result is the same as that of adding one event after the other. Returns ``False``, and
    changes nothing, if the events are not those of a whole recording (an event twice, or before an
    earlier one of its acquisition): then they must be added one by one. O(n log n) for n records.
    """
    events = RecordArrays(batch)
    new = events.of(RecordKind.ENTER_STARTED)
    known = _KnownAcquisitions(columns, events.id("acquisition", new))
    phases = {kind: events.of(kind) for kind in _PHASES}
    indexes = {kind: known.index_of(events.id("acquisition", at)) for kind, at in phases.items()}
    for kind, index in indexes.items():  # started before the recording: left out
        phases[kind], indexes[kind] = phases[kind][index >= 0], index[index >= 0]
    failed = events.field("outcome", phases[RecordKind.ENTER_ENDED]) != Outcome.OK
    if not known.is_consistent(columns, new, phases, indexes, failed):
        return False
    rows = {kind: known.rows[index] for kind, index in indexes.items()}

    _add_rows(columns, events, new)
    _set_phases(columns, events, phases, rows)
    ended = np.full(len(events), -1)
    ended[phases[RecordKind.ENTER_ENDED][failed]] = rows[RecordKind.ENTER_ENDED][failed]
    ended[phases[RecordKind.EXIT_ENDED]] = rows[RecordKind.EXIT_ENDED]
    _set_depths(columns, new, ended)
    task_ended = events.of(RecordKind.TASK_ENDED)
    tasks = events.id("task", task_ended).tolist()
    columns.task_ended.update(zip(tasks, events.at[task_ended].tolist(), strict=True))
    _add_unmatched(columns, events)
    _set_collected(columns, events, known, ended)
    add_waits(columns.waits, events)
    notes = [note.at for note in batch.notes if not isinstance(note, Heartbeat)]
    _add_times(columns, np.concatenate([events.at, np.array(notes, np.int64)]))
    return True


class _KnownAcquisitions:
    """The acquisitions to which events of a batch can belong: those open before, and new ones."""

    def __init__(self, columns: AcquisitionColumns, started: Integers) -> None:
        """``started``: the ids of the new ones."""
        count = len(columns.open)
        ids = np.concatenate([np.fromiter(columns.open.ids, np.int64, count), started])
        before = np.fromiter(columns.open.rows, np.int64, count)
        order = np.argsort(ids, kind="stable")
        self._ids = ids[order]
        self.rows: Integers = np.concatenate([before, len(columns) + np.arange(len(started))])[
            order
        ]

    def index_of(self, acquisitions: Integers) -> Integers:
        """Return the index of each among these, -1 if it is not one of them."""
        if not len(self._ids):
            return np.full(len(acquisitions), -1)
        index = np.minimum(np.searchsorted(self._ids, acquisitions), len(self._ids) - 1)
        return np.where(self._ids[index] == acquisitions, index, -1)

    def is_consistent(
        self,
        columns: AcquisitionColumns,
        new: Integers,
        phases: dict[RecordKind, Integers],
        indexes: dict[RecordKind, Integers],
        failed: NDArray[np.bool_],
    ) -> bool:
        """Return whether the events of each acquisition are in order, each once at most.

        ``failed``: which of the enters that ended have failed.
        """
        if np.any(self._ids[1:] == self._ids[:-1]):  # started twice, or repeated by retention
            return False
        before = self.rows < len(columns)
        rows = self.rows[before]
        last = np.full(len(self.rows), -1)
        last[~before] = new[self.rows[~before] - len(columns)]
        stage = np.zeros(len(self.rows), np.int64)
        for column in (columns.enter_ended, columns.exit_started) if len(rows) else ():
            stage[before] += np.frombuffer(column, np.int64)[rows] != NOT_YET
        for expected, kind in enumerate(_PHASES):
            at, index = phases[kind], indexes[kind]
            if np.any(np.bincount(index, minlength=1) > 1):
                return False
            if np.any(last[index] >= at) or np.any(stage[index] != expected):
                return False
            last[index] = at
            stage[index] = expected + 1
            if kind == RecordKind.ENTER_ENDED:
                # A failed enter is the last event: none may follow it.
                stage[index[failed]] = len(_PHASES) + 1
        return True


def _add_times(columns: AcquisitionColumns, times: Integers) -> None:
    """Add the times of events, some of which may be earlier than those of other processes."""
    if len(times):
        later = columns.take_times_after(int(np.min(times)))
        times = np.concatenate([np.frombuffer(later, np.int64), times])
        times.sort()
        columns.add_times(column_of(times))


def _add_rows(columns: AcquisitionColumns, events: RecordArrays, new: Integers) -> None:
    task, resource = events.id("task", new), events.id("resource_or_error", new)
    managers: list[str] = []
    for key, start, end in runs_of(events.writer[new] << 32 | events.field("manager", new)):
        names = events.writers[key >> 32].managers
        managers += [names.get(key & 0xFFFFFFFF, UNKNOWN_MANAGER)] * (end - start)
    rows = columns.add_rows(
        id=column_of(events.id("acquisition", new)),
        parent=column_of(events.id_or_zero("parent", new)),
        task=column_of(task),
        resource=column_of(resource),
        site=column_of(events.id("site", new)),
        by_call=column_of(events.field("flags", new) & EnterFlag.BY_CALL, "B"),
        enter_started=column_of(events.at[new]),
        manager=managers,
    )
    group_rows(columns.rows_of_task, task, np.arange(rows.start, rows.stop))
    group_rows(columns.rows_of_resource, resource, np.arange(rows.start, rows.stop))


def _set_phases(
    columns: AcquisitionColumns,
    events: RecordArrays,
    phases: dict[RecordKind, Integers],
    rows: dict[RecordKind, Integers],
) -> None:
    """Set the values of the events after the first one in the rows to which they belong."""

    def put(column: array[int], row: Integers, values: Integers) -> None:
        view = np.frombuffer(column, column.typecode)
        view[row] = values

    at, row = phases[RecordKind.ENTER_ENDED], rows[RecordKind.ENTER_ENDED]
    put(columns.enter_ended, row, events.at[at])
    put(columns.enter_outcome, row, events.field("outcome", at))
    at, row = phases[RecordKind.EXIT_STARTED], rows[RecordKind.EXIT_STARTED]
    put(columns.exit_started, row, events.at[at])
    put(columns.exit_task, row, events.id("task", at))
    put(columns.exit_site, row, events.id_or_zero("site", at))
    put(columns.body_outcome, row, events.field("outcome", at))
    at, row = phases[RecordKind.EXIT_ENDED], rows[RecordKind.EXIT_ENDED]
    put(columns.exit_ended, row, events.at[at])
    put(columns.exit_outcome, row, events.field("outcome", at))
    put(columns.suppressed, row, events.field("suppressed", at) != 0)
    put(columns.exit_flags, row, events.field("flags", at))
    for kind, phase in _PHASES.items():
        at, row = phases[kind], rows[kind]
        texts = events.field("resource_or_error", at)
        failed = np.flatnonzero(texts)
        for text, writer, failed_row in zip(
            texts[failed].tolist(),
            events.writer[at[failed]].tolist(),
            row[failed].tolist(),
            strict=True,
        ):
            error = events.writers[writer].errors.get(text)
            if error is not None:
                columns.errors[failed_row, phase] = error


def _set_depths(columns: AcquisitionColumns, new: Integers, ended: Integers) -> None:
    """Set the depths of the new rows, and which acquisitions are open after the last event.

    ``ended``: for each event, the row that it ends, -1 if it ends none. If a task leaves in the
    reverse order of entering, a depth is the number of its open acquisitions. Only for the other
    tasks is each event looked at.
    """
    first = len(columns) - len(new)
    row = ended.copy()
    row[new] = np.arange(first, first + len(new))
    where = np.flatnonzero(row >= 0)
    row = row[where]
    step = np.where(ended[where] < 0, 1, -1)
    ended = row[step < 0]
    task = np.frombuffer(columns.task, np.int64)[row] if len(row) else row
    order = stable_order(task)
    row, step, task = row[order], step[order], task[order]

    runs = list(runs_of(task))
    tasks = np.array([key for key, _, _ in runs], np.int64)
    starts = np.array([start for _, start, _ in runs], np.int64)
    counts = np.array([end - start for _, start, end in runs], np.int64)
    open_before = np.array([columns.open.height(key) for key, _, _ in runs], np.int64)
    running = np.cumsum(step)
    before_task = running[starts] - step[starts] if len(starts) else running
    height = running - np.repeat(before_task - open_before, counts)

    depth = np.frombuffer(columns.depth, columns.depth.typecode)
    started = step > 0
    depth[row[started]] = height[started] - 1
    is_top = depth[row] == np.where(started, height - 1, height)
    del depth  # a view of the column, which otherwise cannot grow
    free = np.array([columns.open.has_free_depths(key) for key, _, _ in runs], np.bool_)
    out_of_order = np.logical_or.reduceat(~is_top, starts) if len(starts) else free
    out_of_order |= free

    in_order = np.zeros(0, np.int64) if not len(tasks) else tasks[~out_of_order]
    _set_open(columns, first, ended, set(in_order.tolist()))
    for index in np.flatnonzero(out_of_order).tolist():
        members = slice(starts[index], starts[index] + counts[index])
        for one, change in zip(row[members].tolist(), step[members].tolist(), strict=True):
            if change > 0:
                columns.depth[one] = columns.open.start(columns.id[one], columns.task[one], one)
            else:
                columns.end_row(one)


def _set_open(columns: AcquisitionColumns, first: int, ended: Integers, tasks: set[int]) -> None:
    """Update the open acquisitions of ``tasks``, which end in the reverse order of their starts.

    Rows from ``first`` on are new; only those that are still open are put on a stack.
    """
    for row in ended[ended < first].tolist():
        if columns.task[row] in tasks:
            columns.end_row(row)
    left = np.ones(len(columns) - first, np.bool_)
    left[ended[ended >= first] - first] = False
    for row in (np.flatnonzero(left) + first).tolist():
        if columns.task[row] in tasks:
            columns.depth[row] = columns.open.start(columns.id[row], columns.task[row], row)


def _add_unmatched(columns: AcquisitionColumns, events: RecordArrays) -> None:
    """Add the releases that ended no recorded acquisition; there are few."""
    where = events.of(RecordKind.RELEASE_UNMATCHED)
    fields = (
        events.at[where],
        events.id("task", where),
        events.id("resource_or_error", where),
        events.id_or_zero("site", where),
    )
    for at, task, resource, site in zip(*(values.tolist() for values in fields), strict=True):
        columns.unmatched.append(ReleaseUnmatched(at, task, resource, site or None))


def _set_collected(
    columns: AcquisitionColumns, events: RecordArrays, known: _KnownAcquisitions, ended: Integers
) -> None:
    """Set when the objects of open acquisitions were garbage-collected; there are few.

    ``ended``: for each event, the row that it ends, -1 if it ends none.
    """
    where = events.of(RecordKind.COLLECTED)
    if not len(where):
        return
    end_of = {row: event for event, row in enumerate(ended.tolist()) if row >= 0}
    indexes = known.index_of(events.id("acquisition", where))
    for event, index in zip(where.tolist(), indexes.tolist(), strict=True):
        if index < 0:  # it ended in an earlier batch
            continue
        row = int(known.rows[index])
        if event < end_of.get(row, len(events)):
            columns.collected[row] = int(events.at[event])
