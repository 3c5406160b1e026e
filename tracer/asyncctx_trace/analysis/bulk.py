"""A million facts taken into a timeline at once, with numpy: the same result as one by one."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from asyncctx_trace.analysis.timeline import NOT_YET, Phase, Timeline
from asyncctx_trace.outcome import Outcome
from asyncctx_trace.recording.batch import UNKNOWN_MANAGER, Batch
from asyncctx_trace.recording.format import RAW_FIELDS, RECORD, Kind

if TYPE_CHECKING:
    Integers = NDArray[np.int64]

__all__ = ["take", "take_times"]

_RECORDS = np.dtype(
    {
        "names": [name for name, _, _ in RAW_FIELDS],
        "formats": [form for _, form, _ in RAW_FIELDS],
        "offsets": [offset for _, _, offset in RAW_FIELDS],
        "itemsize": RECORD,
    }
)
_PHASES: dict[Kind, Phase] = {
    Kind.ENTER_ENDED: "enter",
    Kind.EXIT_STARTED: "body",
    Kind.EXIT_ENDED: "exit",
}


def take(timeline: Timeline, batch: Batch) -> bool:
    """Let ``timeline`` take in the records of ``batch``, but for its definitions and notes.

    Says ``False``, and does nothing, if the facts are not what a whole recording gives (a fact
    twice, or before an earlier one of its acquisition): then they must go in one by one.
    """
    facts = _Facts(batch)
    new = facts.of(Kind.ENTER_STARTED)
    row_of = _Rows(timeline, facts.acquisition[new])
    phases = {kind: facts.of(kind) for kind in _PHASES}
    rows = {kind: row_of(facts.acquisition[at]) for kind, at in phases.items()}
    for kind, known in rows.items():  # begun before the recording: left out
        phases[kind], rows[kind] = phases[kind][known >= 0], known[known >= 0]
    if not _whole(timeline, facts, new, phases, rows):
        return False

    _append(timeline, facts, new)
    _fill(timeline, facts, phases, rows)
    failed = facts.outcome[phases[Kind.ENTER_ENDED]] != Outcome.OK
    over = np.concatenate([rows[Kind.ENTER_ENDED][failed], rows[Kind.EXIT_ENDED]])
    when = np.concatenate([phases[Kind.ENTER_ENDED][failed], phases[Kind.EXIT_ENDED]])
    _stack(timeline, new, over, when)
    for at in facts.of(Kind.TASK_ENDED):
        timeline.task_ended[int(facts.task[at])] = int(facts.at[at])
    return True


class _Facts:
    """The records of a batch in columns, in order of time; ids are the recording's."""

    def __init__(self, batch: Batch) -> None:
        parts = [(writer, np.frombuffer(data, _RECORDS)) for writer, data in batch.records]
        names = [name for name, _, _ in RAW_FIELDS]
        columns = {name: [part[name].astype(np.int64) for _, part in parts] for name in names}
        for index, (writer, _) in enumerate(parts):
            for name in ("acquisition", "task", "site"):
                columns[name][index] += writer.base
            parent = columns["parent"][index]
            parent[parent != 0] += writer.base
        at = np.concatenate(columns["at"])
        order = np.argsort(at, kind="stable")
        self.at: Integers = at[order]

        def column(name: str) -> Integers:
            return np.concatenate(columns[name])[order]

        self.acquisition = column("acquisition")
        self.parent = column("parent")
        self.task = column("task")
        self.word = column("word")
        self.site = column("site")
        self.manager = column("manager")
        self.outcome = column("outcome")
        self.suppressed = column("suppressed")
        self.kind = column("kind")
        sizes = [len(part) for _, part in parts]
        self.writer: Integers = np.repeat(np.arange(len(parts)), sizes)[order]
        self.writers = [writer for writer, _ in parts]
        self.base: Integers = np.array([writer.base for writer in self.writers])[self.writer]

    def of(self, kind: Kind) -> Integers:
        """Where the facts of one kind stand."""
        return np.flatnonzero(self.kind == kind)


class _Rows:
    """Acquisition -> row, for those that begin in this batch and those in flight before."""

    def __init__(self, timeline: Timeline, begun: Integers) -> None:
        ids = np.fromiter(timeline._row.keys(), np.int64, len(timeline._row))
        rows = np.fromiter(timeline._row.values(), np.int64, len(timeline._row))
        ids = np.concatenate([ids, begun])
        rows = np.concatenate([rows, len(timeline) + np.arange(len(begun))])
        order = np.argsort(ids, kind="stable")
        self._ids, self._rows = ids[order], rows[order]

    def __call__(self, acquisitions: Integers) -> Integers:
        """The row of each, -1 where it is not known."""
        if not len(self._ids):
            return np.full(len(acquisitions), -1)
        place = np.minimum(np.searchsorted(self._ids, acquisitions), len(self._ids) - 1)
        return np.where(self._ids[place] == acquisitions, self._rows[place], -1)


def _whole(
    timeline: Timeline,
    facts: _Facts,
    new: Integers,
    phases: dict[Kind, Integers],
    rows: dict[Kind, Integers],
) -> bool:
    """Whether each acquisition's facts stand in their order, each once at most."""
    size = len(timeline) + len(new)
    last = np.full(size, -1)
    last[len(timeline) :] = new
    stage = np.zeros(size, np.int64)
    stage[: len(timeline)] = (
        (np.frombuffer(timeline.enter_ended, np.int64) != NOT_YET) * 1
        + (np.frombuffer(timeline.exit_started, np.int64) != NOT_YET) * 1
        if len(timeline)
        else 0
    )
    if len(np.unique(facts.acquisition[new])) != len(new):
        return False
    if np.isin(facts.acquisition[new], list(timeline._row)).any():  # carried over
        return False
    for expected, kind in enumerate(_PHASES):
        at, row = phases[kind], rows[kind]
        if len(np.unique(row)) != len(row):
            return False
        if np.any(last[row] >= at) or np.any(stage[row] != expected):
            return False
        last[row] = at
        # A failed enter is the end: no later fact may follow it.
        ended = (facts.outcome[at] != Outcome.OK) & (kind == Kind.ENTER_ENDED)
        stage[row] = np.where(ended, len(_PHASES) + 1, expected + 1)
    return True


def _append(timeline: Timeline, facts: _Facts, new: Integers) -> None:
    """New rows, as their first facts tell them."""
    n, first = len(new), len(timeline)
    not_yet = np.full(n, NOT_YET)
    nothing = np.zeros(n, np.int64)
    resource = facts.word[new] + facts.base[new]
    columns: list[tuple[array[int], Integers]] = [
        (timeline.id, facts.acquisition[new]),
        (timeline.parent, facts.parent[new]),
        (timeline.task, facts.task[new]),
        (timeline.resource, resource),
        (timeline.site, facts.site[new]),
        (timeline.enter_started, facts.at[new]),
        (timeline.enter_ended, not_yet),
        (timeline.exit_started, not_yet),
        (timeline.exit_ended, not_yet),
        (timeline.exit_task, facts.task[new]),
        (timeline.enter_outcome, nothing),
        (timeline.body_outcome, nothing),
        (timeline.exit_outcome, nothing),
        (timeline.suppressed, nothing),
        (timeline.depth, nothing),
    ]
    for column, values in columns:
        column.frombytes(values.astype(column.typecode).tobytes())
    pairs, inverse = np.unique(facts.writer[new] << 32 | facts.manager[new], return_inverse=True)
    names = [
        facts.writers[pair >> 32].managers.get(pair & 0xFFFFFFFF, UNKNOWN_MANAGER)
        for pair in pairs.tolist()
    ]
    timeline.manager.extend(np.array(names, np.object_)[inverse].tolist())
    rows = np.arange(first, first + n)
    _group(timeline.rows_of_task, facts.task[new], rows)
    _group(timeline.rows_of_resource, resource, rows)


def _group(groups: dict[int, array[int]], key: Integers, rows: Integers) -> None:
    order = np.argsort(key, kind="stable")
    keys, starts = np.unique(key[order], return_index=True)
    # In order of appearance, as one by one would give it.
    for index in np.argsort(order[starts]).tolist():
        end = starts[index + 1] if index + 1 < len(starts) else len(order)
        members = rows[order[starts[index] : end]]
        groups.setdefault(int(keys[index]), array("q")).frombytes(members.tobytes())


def _fill(
    timeline: Timeline, facts: _Facts, phases: dict[Kind, Integers], rows: dict[Kind, Integers]
) -> None:
    """What the later facts add to rows that are there."""

    def put(column: array[int], row: Integers, values: Integers) -> None:
        view = np.frombuffer(column, column.typecode)
        view[row] = values

    at, row = phases[Kind.ENTER_ENDED], rows[Kind.ENTER_ENDED]
    put(timeline.enter_ended, row, facts.at[at])
    put(timeline.enter_outcome, row, facts.outcome[at])
    at, row = phases[Kind.EXIT_STARTED], rows[Kind.EXIT_STARTED]
    put(timeline.exit_started, row, facts.at[at])
    put(timeline.exit_task, row, facts.task[at])
    put(timeline.body_outcome, row, facts.outcome[at])
    at, row = phases[Kind.EXIT_ENDED], rows[Kind.EXIT_ENDED]
    put(timeline.exit_ended, row, facts.at[at])
    put(timeline.exit_outcome, row, facts.outcome[at])
    put(timeline.suppressed, row, facts.suppressed[at])
    for kind, phase in _PHASES.items():
        at, row = phases[kind], rows[kind]
        failed = facts.word[at] != 0
        for one, where in zip(at[failed].tolist(), row[failed].tolist(), strict=True):
            error = facts.writers[facts.writer[one]].errors.get(int(facts.word[one]))
            if error is not None:
                timeline.errors[where, phase] = error


def _stack(timeline: Timeline, new: Integers, over: Integers, when: Integers) -> None:
    """Depths of the new rows, and what is in flight after the last fact.

    A task that leaves in the reverse order of entering needs no stack: its depth is how many are
    open. Only tasks that once did not are gone through one by one.
    """
    first = len(timeline) - len(new)
    row = np.concatenate([np.arange(first, first + len(new)), over])
    step = np.concatenate([np.ones(len(new), np.int64), np.full(len(over), -1)])
    place = np.concatenate([new, when])
    task = np.frombuffer(timeline.task, np.int64)[row] if len(row) else row
    order = np.lexsort((place, task))
    row, step, task = row[order], step[order], task[order]

    tasks, starts = np.unique(task, return_index=True)
    counts = np.diff(np.append(starts, len(task)))
    open_before = np.array([len(timeline._open.get(int(t), ())) for t in tasks], np.int64)
    running = np.cumsum(step)
    before_task = running[starts] - step[starts] if len(starts) else running
    height = running - np.repeat(before_task - open_before, counts)

    depth = np.frombuffer(timeline.depth, np.uint16)
    began = step > 0
    depth[row[began]] = height[began] - 1
    leaves_the_top = depth[row] == np.where(began, height - 1, height)
    del depth  # or the column could not grow again
    holes = np.array([-1 in timeline._open.get(int(t), ()) for t in tasks], np.bool_)
    out_of_order = np.logical_or.reduceat(~leaves_the_top, starts) if len(starts) else holes
    out_of_order |= holes

    in_order = np.zeros(0, np.int64) if not len(tasks) else tasks[~out_of_order]
    _keep_open(timeline, first, over, set(in_order.tolist()))
    for index in np.flatnonzero(out_of_order).tolist():
        members = slice(starts[index], starts[index] + counts[index])
        for one, way in zip(row[members].tolist(), step[members].tolist(), strict=True):
            if way > 0:
                timeline._row[timeline.id[one]] = one
                timeline.depth[one] = timeline._push(int(tasks[index]), one)
            else:
                timeline._finish(one)


def _keep_open(timeline: Timeline, first: int, over: Integers, tasks: set[int]) -> None:
    """The stacks of ``tasks``, each in order: without what is over, with what is left open."""
    for one in over[over < first].tolist():
        task = timeline.task[one]
        if task in tasks:
            timeline._open[task].remove(one)
            del timeline._row[timeline.id[one]]
    left = np.ones(len(timeline) - first, np.bool_)
    left[over[over >= first] - first] = False
    for one in (np.flatnonzero(left) + first).tolist():
        task = timeline.task[one]
        if task in tasks:
            timeline._open.setdefault(task, []).append(one)
            timeline._row[timeline.id[one]] = one
    for task in tasks:
        timeline._open.setdefault(task, [])


def take_times(timeline: Timeline, batch: Batch) -> None:
    """Put the times of all facts and notes of ``batch`` in order behind those that are there."""
    parts = [np.frombuffer(data, _RECORDS)["at"].astype(np.int64) for _, data in batch.records]
    parts.append(np.array([note.at for note in batch.notes], np.int64))
    at = np.concatenate(parts)
    if not len(at):
        return
    at.sort()
    facts = timeline.facts
    if facts and at[0] < facts[-1]:  # some came late: go back to where they belong
        index = int(np.searchsorted(np.frombuffer(facts, np.int64), at[0], side="right"))
        at = np.concatenate([np.frombuffer(facts[index:], np.int64), at])
        at.sort()
        del facts[index:]
    facts.frombytes(at.tobytes())
    start, end = facts[0], facts[-1]
    timeline.start = start if timeline.start is None else min(timeline.start, start)
    timeline.end = end if timeline.end is None else max(timeline.end, end)
