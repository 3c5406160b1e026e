"""A million facts taken into a timeline at once, with numpy: the same result as one by one."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from asyncctx_trace.analysis.timeline.table import NOT_YET, Phase, Timeline
from asyncctx_trace.model.events import Heartbeat, ReleaseUnmatched
from asyncctx_trace.model.outcomes import EnterFlag, Outcome
from asyncctx_trace.recording.batch import UNKNOWN_MANAGER, Batch
from asyncctx_trace.recording.format import RAW_FIELDS, RECORD, Kind

if TYPE_CHECKING:
    Integers = NDArray[np.int64]

__all__ = ["RECORDS", "take"]

RECORDS = np.dtype(
    {
        "names": [name for name, _, _ in RAW_FIELDS],
        "formats": [form for _, form, _ in RAW_FIELDS],
        "offsets": [offset for _, _, offset in RAW_FIELDS],
        "itemsize": RECORD,
    }
)
"""A record as it lies in the file."""
_PHASES: dict[Kind, Phase] = {
    Kind.ENTER_ENDED: "enter",
    Kind.EXIT_STARTED: "body",
    Kind.EXIT_ENDED: "exit",
}


def take(timeline: Timeline, batch: Batch) -> bool:
    """Let ``timeline`` take in the records of ``batch``, and the times of its notes.

    Says ``False``, and does nothing, if the facts are not what a whole recording gives (a fact
    twice, or before an earlier one of its acquisition): then they must go in one by one.
    """
    facts = _Facts(batch)
    new = facts.of(Kind.ENTER_STARTED)
    known = _Known(timeline, facts.id("acquisition", new))
    phases = {kind: facts.of(kind) for kind in _PHASES}
    places = {kind: known.places(facts.id("acquisition", at)) for kind, at in phases.items()}
    for kind, found in places.items():  # begun before the recording: left out
        phases[kind], places[kind] = phases[kind][found >= 0], found[found >= 0]
    failed = facts.column("outcome", phases[Kind.ENTER_ENDED]) != Outcome.OK
    if not known.whole(timeline, new, phases, places, failed):
        return False
    rows = {kind: known.rows[found] for kind, found in places.items()}

    _append(timeline, facts, new)
    _fill(timeline, facts, phases, rows)
    over = np.full(len(facts), -1)
    over[phases[Kind.ENTER_ENDED][failed]] = rows[Kind.ENTER_ENDED][failed]
    over[phases[Kind.EXIT_ENDED]] = rows[Kind.EXIT_ENDED]
    _stack(timeline, new, over)
    gone = facts.of(Kind.TASK_ENDED)
    for task, at in zip(facts.id("task", gone).tolist(), facts.at[gone].tolist(), strict=True):
        timeline.task_ended[task] = at
    _take_unmatched(timeline, facts)
    _take_collected(timeline, facts, known, over)
    _take_times(
        timeline, facts.at, [note.at for note in batch.notes if not isinstance(note, Heartbeat)]
    )
    return True


class _Facts:
    """The records of a batch in order of time, column by column; ids are the recording's."""

    def __init__(self, batch: Batch) -> None:
        self.writers = [writer for writer, _ in batch.records]
        records = np.frombuffer(b"".join([data for _, data in batch.records]), RECORDS)
        sizes = [len(data) // RECORD for _, data in batch.records]
        writer = np.repeat(np.arange(len(sizes)), sizes)
        at = records["at"].astype(np.int64)
        if np.any(at[1:] < at[:-1]):
            order = np.argsort(at, kind="stable")
            records, writer, at = records[order], writer[order], at[order]
        self.at: Integers = at
        self.writer: Integers = writer
        self._records = records
        self._kind = records["kind"].copy()
        bases = np.array([writer.base for writer in self.writers], np.int64)
        one = len(set(bases.tolist())) == 1
        self._bases: Integers = bases[:1] if one else bases[writer]

    def __len__(self) -> int:
        return len(self.at)

    def of(self, kind: Kind) -> Integers:
        """Where the facts of one kind stand."""
        return np.flatnonzero(self._kind == kind)

    def column(self, name: str, where: Integers) -> Integers:
        """One field of some facts."""
        return self._records[name][where].astype(np.int64)

    def id(self, name: str, where: Integers) -> Integers:
        """The same of a field that holds ids of the process's own."""
        return self.column(name, where) + (
            self._bases if len(self._bases) == 1 else self._bases[where]
        )

    def id_or_zero(self, name: str, where: Integers) -> Integers:
        """The same of a field in which 0 stands for "none"."""
        ids = self.id(name, where)
        ids[self.column(name, where) == 0] = 0
        return ids


class _Known:
    """The acquisitions that facts of this batch may belong to: in flight before, or new."""

    def __init__(self, timeline: Timeline, begun: Integers) -> None:
        size = len(timeline._row)
        ids = np.concatenate([np.fromiter(timeline._row.keys(), np.int64, size), begun])
        before = np.fromiter(timeline._row.values(), np.int64, size)
        order = np.argsort(ids, kind="stable")
        self._ids = ids[order]
        self.rows: Integers = np.concatenate([before, len(timeline) + np.arange(len(begun))])[order]

    def places(self, acquisitions: Integers) -> Integers:
        """Where each stands among these, -1 where it does not."""
        if not len(self._ids):
            return np.full(len(acquisitions), -1)
        place = np.minimum(np.searchsorted(self._ids, acquisitions), len(self._ids) - 1)
        return np.where(self._ids[place] == acquisitions, place, -1)

    def whole(
        self,
        timeline: Timeline,
        new: Integers,
        phases: dict[Kind, Integers],
        places: dict[Kind, Integers],
        failed: NDArray[np.bool_],
    ) -> bool:
        """Whether each acquisition's facts stand in their order, each once at most.

        ``failed`` says which of the enters that ended did so without getting in.
        """
        if np.any(self._ids[1:] == self._ids[:-1]):  # begun twice, or carried over
            return False
        before = self.rows < len(timeline)
        rows = self.rows[before]
        last = np.full(len(self.rows), -1)
        last[~before] = new[self.rows[~before] - len(timeline)]
        stage = np.zeros(len(self.rows), np.int64)
        for column in (timeline.enter_ended, timeline.exit_started) if len(rows) else ():
            stage[before] += np.frombuffer(column, np.int64)[rows] != NOT_YET
        for expected, kind in enumerate(_PHASES):
            at, place = phases[kind], places[kind]
            if np.any(np.bincount(place, minlength=1) > 1):
                return False
            if np.any(last[place] >= at) or np.any(stage[place] != expected):
                return False
            last[place] = at
            stage[place] = expected + 1
            if kind == Kind.ENTER_ENDED:
                # A failed enter is the end: no later fact may follow it.
                stage[place[failed]] = len(_PHASES) + 1
        return True


def _append(timeline: Timeline, facts: _Facts, new: Integers) -> None:
    """New rows, as their first facts tell them."""
    n, first = len(new), len(timeline)
    not_yet = np.full(n, NOT_YET)
    nothing = np.zeros(n, np.int64)
    task, resource = facts.id("task", new), facts.id("word", new)
    parent = facts.id_or_zero("parent", new)
    columns: list[tuple[array[int], Integers]] = [
        (timeline.id, facts.id("acquisition", new)),
        (timeline.parent, parent),
        (timeline.task, task),
        (timeline.resource, resource),
        (timeline.site, facts.id("site", new)),
        (timeline.by_call, facts.column("flags", new) & EnterFlag.BY_CALL),
        (timeline.enter_started, facts.at[new]),
        (timeline.enter_ended, not_yet),
        (timeline.exit_started, not_yet),
        (timeline.exit_ended, not_yet),
        (timeline.exit_task, task),
        (timeline.exit_site, nothing),
        (timeline.exit_flags, nothing),
        (timeline.enter_outcome, nothing),
        (timeline.body_outcome, nothing),
        (timeline.exit_outcome, nothing),
        (timeline.suppressed, nothing),
        (timeline.depth, nothing),
    ]
    for column, values in columns:
        column.frombytes(values.astype(column.typecode).tobytes())
    named = facts.writer[new] << 32 | facts.column("manager", new)
    for pair, start, end in _runs(named):
        managers = facts.writers[pair >> 32].managers
        name = managers.get(pair & 0xFFFFFFFF, UNKNOWN_MANAGER)
        timeline.manager.extend([name] * (end - start))
    rows = np.arange(first, first + n)
    _group(timeline.rows_of_task, task, rows)
    _group(timeline.rows_of_resource, resource, rows)


def _sorted(keys: Integers) -> Integers:
    """What puts ``keys`` in order and leaves equal ones in theirs."""
    if len(keys) and (low := keys.min()) + 0xFFFF >= keys.max():
        keys = (keys - low).astype(np.uint16)  # sorted by counting, in a tenth of the time
    return np.argsort(keys, kind="stable")


def _runs(keys: Integers) -> Iterable[tuple[int, int, int]]:
    """Equal neighbours: their key, where they begin and end."""
    first = np.ones(min(1, len(keys)), np.bool_)
    starts = np.flatnonzero(np.concatenate([first, keys[1:] != keys[:-1]]))
    ends = np.append(starts, len(keys))[1:]
    return zip(keys[starts].tolist(), starts.tolist(), ends.tolist(), strict=True)


def _group(groups: dict[int, array[int]], keys: Integers, rows: Integers) -> None:
    order = _sorted(keys)
    members = array("q", rows[order].tobytes())
    runs = list(_runs(keys[order]))
    if any(key not in groups for key, _, _ in runs):
        # In order of appearance, as one by one would give it.
        runs.sort(key=lambda run: members[run[1]])
    for key, start, end in runs:
        known = groups.get(key)
        if known is None:
            groups[key] = members[start:end]
        else:
            known.extend(members[start:end])


def _fill(
    timeline: Timeline, facts: _Facts, phases: dict[Kind, Integers], rows: dict[Kind, Integers]
) -> None:
    """What the later facts add to rows that are there."""

    def put(column: array[int], row: Integers, values: Integers) -> None:
        view = np.frombuffer(column, column.typecode)
        view[row] = values

    at, row = phases[Kind.ENTER_ENDED], rows[Kind.ENTER_ENDED]
    put(timeline.enter_ended, row, facts.at[at])
    put(timeline.enter_outcome, row, facts.column("outcome", at))
    at, row = phases[Kind.EXIT_STARTED], rows[Kind.EXIT_STARTED]
    put(timeline.exit_started, row, facts.at[at])
    put(timeline.exit_task, row, facts.id("task", at))
    put(timeline.exit_site, row, facts.id_or_zero("site", at))
    put(timeline.body_outcome, row, facts.column("outcome", at))
    at, row = phases[Kind.EXIT_ENDED], rows[Kind.EXIT_ENDED]
    put(timeline.exit_ended, row, facts.at[at])
    put(timeline.exit_outcome, row, facts.column("outcome", at))
    put(timeline.suppressed, row, facts.column("suppressed", at))
    put(timeline.exit_flags, row, facts.column("flags", at))
    for kind, phase in _PHASES.items():
        at, row = phases[kind], rows[kind]
        words = facts.column("word", at)
        failed = np.flatnonzero(words)
        for word, writer, where in zip(
            words[failed].tolist(),
            facts.writer[at[failed]].tolist(),
            row[failed].tolist(),
            strict=True,
        ):
            error = facts.writers[writer].errors.get(word)
            if error is not None:
                timeline.errors[where, phase] = error


def _stack(timeline: Timeline, new: Integers, over: Integers) -> None:
    """Depths of the new rows, and what is in flight after the last fact.

    ``over`` says for each fact which row it ends, -1 if it ends none. A task that leaves in the
    reverse order of entering needs no stack: its depth is how many are open. Only tasks that once
    did not are gone through one by one.
    """
    first = len(timeline) - len(new)
    row = over.copy()
    row[new] = np.arange(first, first + len(new))
    place = np.flatnonzero(row >= 0)
    row = row[place]
    step = np.where(over[place] < 0, 1, -1)
    over = row[step < 0]
    task = np.frombuffer(timeline.task, np.int64)[row] if len(row) else row
    order = _sorted(task)
    row, step, task = row[order], step[order], task[order]

    runs = list(_runs(task))
    tasks = np.array([each for each, _, _ in runs], np.int64)
    starts = np.array([start for _, start, _ in runs], np.int64)
    counts = np.array([end - start for _, start, end in runs], np.int64)
    opened = [timeline._open.get(each, ()) for each, _, _ in runs]
    open_before = np.array([len(each) for each in opened], np.int64)
    running = np.cumsum(step)
    before_task = running[starts] - step[starts] if len(starts) else running
    height = running - np.repeat(before_task - open_before, counts)

    depth = np.frombuffer(timeline.depth, np.uint16)
    began = step > 0
    depth[row[began]] = height[began] - 1
    leaves_the_top = depth[row] == np.where(began, height - 1, height)
    del depth  # or the column could not grow again
    holes = np.array([-1 in each for each in opened], np.bool_)
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


def _take_unmatched(timeline: Timeline, facts: _Facts) -> None:
    """Releases that ended no recorded acquisition; there are few."""
    where = facts.of(Kind.RELEASE_UNMATCHED)
    columns = (
        facts.at[where],
        facts.id("task", where),
        facts.id("word", where),
        facts.id_or_zero("site", where),
    )
    for at, task, resource, site in zip(*(column.tolist() for column in columns), strict=True):
        timeline.unmatched.append(ReleaseUnmatched(at, task, resource, site or None))


def _take_collected(timeline: Timeline, facts: _Facts, known: _Known, over: Integers) -> None:
    """What was collected while it was held; there is little.

    ``over`` says for each fact which row it ends, -1 if it ends none.
    """
    where = facts.of(Kind.COLLECTED)
    if not len(where):
        return
    ended = {row: place for place, row in enumerate(over.tolist()) if row >= 0}
    places = known.places(facts.id("acquisition", where))
    for fact, place in zip(where.tolist(), places.tolist(), strict=True):
        if place < 0:  # of an acquisition that ended in an earlier batch
            continue
        row = int(known.rows[place])
        if fact < ended.get(row, len(facts)):
            timeline.collected[row] = int(facts.at[fact])


def _take_times(timeline: Timeline, at: Integers, notes: list[int]) -> None:
    """Put the times of facts and notes in order behind those that are there."""
    if notes:
        at = np.sort(np.concatenate([at, np.array(notes, np.int64)]))
    if not len(at):
        return
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
