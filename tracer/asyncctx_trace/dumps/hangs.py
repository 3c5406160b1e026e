"""Finds deadlocks and leaks among what is in flight in a running process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter

from asyncctx_trace.analysis.deadlocks.live import DeadlockAlarm
from asyncctx_trace.analysis.findings.cleanups.leak import Leak
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.dumps.conditions import Condition
from asyncctx_trace.model.events import Definition, Quiescent
from asyncctx_trace.model.text import plain
from asyncctx_trace.model.unpatched import unpatched
from asyncctx_trace.recording.format import RecordKind
from asyncctx_trace.recording.reading.decode import decode
from asyncctx_trace.recording.reading.process_state import ProcessState
from asyncctx_trace.recording.record_columns import RecordColumns

__all__ = ["Hangs"]

_INTERVAL = 1_000_000_000
"""ns between two looks, unless a look takes long."""
_SHARE = 100
"""A look may take one part in so many of the time."""
_OLD = 500_000_000
"""ns; what has been in flight for less is not looked at: it will probably end."""
_TASK = slice(24, 28)
"""The bytes of a record with the id of a task."""
_SUSPECT = frozenset({RecordKind.TASK_ENDED, RecordKind.COLLECTED})
"""Kinds of records after which there may be a leak."""


class Hangs:
    """Keeps the records of what is in flight, and asks now and then what is wrong with them."""

    def __init__(
        self,
        conditions: Iterable[Condition],
        definitions: Callable[[], list[Definition]],
        clock: Callable[[], int] = unpatched.monotonic_ns,
    ) -> None:
        """``definitions`` returns those of the process; ``clock`` measures how long a look takes.

        Only conditions ``deadlock`` and ``leak`` are looked at.
        """
        self._deadlock = [each for each in conditions if each.kind == "deadlock"]
        self._leak = [each for each in conditions if each.kind == "leak"]
        self._definitions = definitions
        self._clock = clock
        self._in_flight: dict[int, list[bytes]] = {}
        self._ended_tasks: dict[bytes, bytes] = {}
        """Task -> the record of its end; for tasks that hold something."""
        self._quiescent: Quiescent | None = None
        self._alarm = DeadlockAlarm()
        self._leaked: set[tuple[int, ...]] = set()
        self._next_look = 0
        self._looked_at: frozenset[int] = frozenset()
        self._suspects_leak = False

    def quiescent(self, at: int, since: int) -> None:
        """Note that nothing in the process can wake its event loop."""
        self._quiescent = Quiescent(at, since, 0)
        self._looked_at = frozenset()

    def update(self, columns: RecordColumns, ended: set[int]) -> None:
        """Take new records, and the ids of what ends in them."""
        self._quiescent = None if self._quiescent_is_refuted(columns) else self._quiescent
        for acquisition in ended & self._in_flight.keys():
            del self._in_flight[acquisition]
        kinds = columns.kind
        for number, acquisition in enumerate(columns.acquisition):
            if acquisition in ended:
                continue
            record, kind = columns[number], kinds[number]
            if kind == RecordKind.TASK_ENDED:
                self._ended_tasks[record[_TASK]] = record
            elif acquisition:
                known = self._in_flight.setdefault(acquisition, [])
                if record not in known:  # repeated where a segment was recycled
                    known.append(record)
            self._suspects_leak = self._suspects_leak or kind in _SUSPECT
        if self._ended_tasks:
            tasks = {records[0][_TASK] for records in self._in_flight.values()}
            self._ended_tasks = {t: r for t, r in self._ended_tasks.items() if t in tasks}

    def _quiescent_is_refuted(self, columns: RecordColumns) -> bool:
        return self._quiescent is not None and max(columns.at) > self._quiescent.at

    def found(self, now: int) -> Iterator[tuple[Condition, str]]:
        """Yield each deadlock and leak once, with a description; ``now`` is in monotonic ns."""
        if now < self._next_look:
            return
        started = self._clock()
        yield from self._look(now)
        self._next_look = now + max(_INTERVAL, _SHARE * (self._clock() - started))

    def _look(self, now: int) -> Iterator[tuple[Condition, str]]:
        old = frozenset(
            acquisition
            for acquisition, records in self._in_flight.items()
            if now - int.from_bytes(records[0][:8], "little") > _OLD
        )
        seeks_deadlock = bool(self._deadlock and old and old != self._looked_at)
        seeks_leak = bool(self._leak and self._suspects_leak and self._ended_or_collected())
        self._looked_at, self._suspects_leak = old, False
        if not seeks_deadlock and not seeks_leak:
            return
        timeline = self._timeline()
        if seeks_deadlock:
            for line in self._alarm.new_deadlocks(timeline, now):
                if "deadlock:" in line:
                    for condition in self._deadlock:
                        yield condition, line
        if seeks_leak:
            for leak in Leak.check(Snapshot(timeline, now, running=True), Thresholds()):
                members = tuple(timeline.id[row] for row in leak.rows)
                if members not in self._leaked:
                    self._leaked.add(members)
                    for condition in self._leak:
                        yield condition, plain(leak.summary)

    def _ended_or_collected(self) -> bool:
        return bool(self._ended_tasks) or any(
            record[-1] == RecordKind.COLLECTED
            for records in self._in_flight.values()
            for record in records
        )

    def _timeline(self) -> Timeline:
        timeline = Timeline(self._definitions())
        records = [record for known in self._in_flight.values() for record in known]
        data = b"".join([*records, *self._ended_tasks.values()])
        events = sorted(decode(ProcessState(0, 0), data), key=attrgetter("at"))
        timeline.extend(events)
        if self._quiescent is not None:
            timeline.extend([self._quiescent])
        return timeline
