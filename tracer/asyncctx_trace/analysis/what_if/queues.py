"""The puts and gets of queues, of which a recording contains only those that waited.

A get that finds an item, and a put that finds room, leave no event. They are reconstructed: what
the tasks of one coroutine do right after their known gets (right before their known puts) shows
where the others must have been. The reconstruction counts as right if it says of each get that
waited that the queue was empty then.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.analysis.what_if.instants import Instant, Instants, What
from asyncctx_trace.analysis.what_if.model import Op
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.model.waits import WaitKind

__all__ = ["Queues", "queues_of"]

_GETS = (WaitKind.QUEUE_GET, WaitKind.RECEIVE)
_PUTS = (WaitKind.QUEUE_PUT, WaitKind.SEND)
_RIGHT = 0.9
"""The share of waits that the reconstructed number of items must explain."""
_MOST_PLACES = 3
"""How many places in the code may follow a get, or precede a put."""

_Place: TypeAlias = tuple[What, int]
"""What happens, and the site."""


@dataclass(slots=True)
class Queues:
    """What is known of the queues of a recording."""

    sizes: dict[int, int] = field(default_factory=dict)
    """Queue -> how many items fit in; 0 if it was never full."""
    items: dict[int, int] = field(default_factory=dict)
    """Queue -> how many items it contained before the first put that is known."""
    waits: dict[int, tuple[Op | None, int, int]] = field(default_factory=dict)
    """Row of a wait -> the operation that waited, its queue, and when it was done.

    The operation is ``None`` if it is one that waited before: another task took the item.
    """
    hidden: tuple[int, ...] = ()
    """Queues whose operations could not be reconstructed."""
    consumers: dict[int, set[int]] = field(default_factory=dict)
    """Queue -> the tasks that take items."""
    producers: set[int] = field(default_factory=set)
    """Tasks that put items into queues."""


class _Move(NamedTuple):
    """One operation on a queue."""

    at: int
    by: int
    """1 for an item that came, -1 for one that went, 0 for the start of a wait."""
    op: Op
    waits: bool


def queues_of(timeline: Timeline, instants: Instants) -> Queues:
    """Reconstruct the operations of each queue, and add them to ``instants``."""
    waits = timeline.waits
    rows: dict[int, list[int]] = defaultdict(list)
    for row, kind in enumerate(waits.kind):
        if (kind in _GETS or kind in _PUTS) and waits.subject[row]:
            rows[waits.subject[row]].append(row)
    result, hidden = Queues(), []
    for queue, known in rows.items():
        if not _Queue(timeline, instants, queue, known).reconstruct(result):
            hidden.append(queue)
    result.hidden = tuple(hidden)
    return result


class _Queue:
    """The operations of one queue."""

    def __init__(self, timeline: Timeline, instants: Instants, queue: int, rows: list[int]) -> None:
        self._timeline = timeline
        self._instants = instants
        self._queue = queue
        waits = timeline.waits
        self._rows = [
            row for row in rows if waits.outcome[row] == Outcome.OK or waits.ended[row] == NOT_YET
        ]
        self._gets: dict[int, set[int]] = defaultdict(set)
        """Task -> times of gets that are known because they let a put go on."""
        self._puts: dict[int, set[int]] = defaultdict(set)
        for row in self._rows:
            if waits.woken_by[row]:
                known = self._puts if waits.kind[row] in _GETS else self._gets
                known[waits.woken_by[row]].add(waits.ended[row])
        self._moves: list[_Move] = []
        self._again: set[int] = set()
        """Rows of waits of operations that had waited before."""
        self._ended: dict[int, int] = {}
        """Row of the first wait of such an operation -> when its last one ended."""
        self._added: dict[int, list[Instant]] = defaultdict(list)

    def reconstruct(self, result: Queues) -> bool:
        """Add the operations to ``result`` and to the instants; ``False`` if they are not known."""
        waits = self._timeline.waits
        getters = {waits.task[row] for row in self._rows if waits.kind[row] in _GETS}
        putters = {waits.task[row] for row in self._rows if waits.kind[row] in _PUTS}
        getters |= self._gets.keys()
        putters |= self._puts.keys()
        ours = set(self._rows)
        for tasks, known, op in (
            (getters, self._gets, Op.GET),
            (putters, self._puts, Op.PUT),
        ):
            for alike in self._by_coroutine(tasks):
                places = Counter(
                    place for task in alike for place in self._places(task, known[task], ours, op)
                )
                if None in places or not 0 < len(places) <= _MOST_PLACES:
                    return False
                for task in alike:
                    self._fill_in(task, known[task], ours, op, set(places))
        checked = self._check()
        if checked is None:
            return False
        result.sizes[self._queue], result.items[self._queue] = checked
        for row in self._rows:
            operation = None if row in self._again else self._kind(row, ours)
            done = self._ended.get(row, waits.ended[row])
            result.waits[row] = operation, self._queue, done
        result.producers |= putters
        result.consumers[self._queue] = {
            task for alike in self._by_coroutine(getters) for task in alike
        }
        for task, added in self._added.items():
            mine = [each for each in self._instants.of_task[task]
                    if not (each.what is What.SIGNALS and each.payload in ours)]  # fmt: skip
            self._instants.of_task[task] = sorted([*mine, *added])
        self._instants.signalled -= ours
        for task in getters | putters:
            mine = self._instants.of_task[task]
            self._instants.of_task[task] = [
                each for each in mine if not (each.what is What.SIGNALS and each.payload in ours)
            ]
        return True

    def _by_coroutine(self, tasks: set[int]) -> list[list[int]]:
        """Group all tasks whose coroutine is that of one of ``tasks``."""
        known = self._timeline.tasks
        names = {known[task].coroutine for task in tasks if task in known}
        groups: dict[str, list[int]] = defaultdict(list)
        for task, definition in known.items():
            if definition.coroutine in names and (definition.coroutine or task in tasks):
                groups[definition.coroutine].append(task)
        return list(groups.values())

    def _is_known(self, instant: Instant, times: set[int], ours: set[int], op: Op) -> bool:
        """Return whether ``instant`` is a known operation ``op`` of this queue."""
        if instant.what is What.WAITS:
            return self._kind(instant.payload, ours) is op
        return instant.what is What.SIGNALS and instant.payload in ours and instant.at in times

    def _place(self, instant: Instant) -> _Place | None:
        """Return where in the code ``instant`` is; ``None`` if that tells nothing."""
        what, payload = instant.what, instant.payload
        if what in (What.WAITS, What.GOES_ON) and payload >= 0:
            if self._timeline.waits.subject[payload] == self._queue:
                return None  # one of its own operations, which was cancelled
            return What.WAITS, self._timeline.waits.site[payload]
        if what in (What.ASKS, What.EXITS, What.JOINS, What.RELEASES, What.EXITED):
            what = What.EXITS if what in (What.RELEASES, What.EXITED) else what
            return what, self._timeline.site[payload]
        return None

    def _neighbours(
        self, task: int, times: set[int], ours: set[int], op: Op
    ) -> list[tuple[bool, _Place | None, Instant]]:
        """Return the instants of ``task`` that matter, in the order in which ``op`` sees them.

        For gets, what follows an operation counts, for puts what precedes it: then the instants are
        in reverse order. Each with whether it is a known operation, and its place.
        """
        found: list[tuple[bool, _Place | None, Instant]] = []
        went_on, head = False, 0
        for instant in self._instants.of_task.get(task, []):
            known = self._is_known(instant, times, ours, op)
            if known and went_on:  # the operation that waited: it goes on, or waits once more
                if instant.what is What.WAITS:
                    self._again.add(instant.payload)
                    self._ended[head] = self._timeline.waits.ended[instant.payload]
                went_on = instant.what is not What.WAITS
                continue
            if went_on and self._is_cancelled(instant):
                self._again.add(head)  # another task took its item
                found = [each for each in found if each[2].payload != head]
            place = self._place(instant)
            starts = instant.what in (What.ASKS, What.WAITS, What.EXITS, What.JOINS)
            over = instant.what in (What.GOES_ON, What.RELEASES, What.EXITED)
            ours_over = instant.what is What.GOES_ON and self._kind(instant.payload, ours) is op
            went_on = ours_over or (went_on and not (starts or over))
            if known and instant.what is What.WAITS:
                head = instant.payload
            if known or (
                place is not None and not ours_over and (starts if op is Op.GET else over)
            ):
                found.append((known, place, instant))
        return found if op is Op.GET else found[::-1]

    def _is_cancelled(self, instant: Instant) -> bool:
        """Return whether ``instant`` starts an operation of this queue that was cancelled."""
        waits = self._timeline.waits
        return (
            instant.what is What.WAITS
            and waits.subject[instant.payload] == self._queue
            and waits.outcome[instant.payload] == Outcome.CANCELLED
        )

    def _kind(self, row: int, ours: set[int]) -> Op | None:
        """Return the operation that waited in ``row``, if it is one of this queue."""
        if row not in ours:
            return None
        return Op.GET if self._timeline.waits.kind[row] in _GETS else Op.PUT

    def _places(self, task: int, times: set[int], ours: set[int], op: Op) -> list[_Place | None]:
        """Return the place after each known get of ``task``, or before each known put.

        ``None`` for an operation next to another one: then it is not known how many there were.
        """
        found: list[_Place | None] = []
        after_known = False
        for known, place, _ in self._neighbours(task, times, ours, op):
            if after_known:
                found.append(None if known else place)
            after_known = known
        return found

    def _fill_in(
        self, task: int, times: set[int], ours: set[int], op: Op, places: set[_Place | None]
    ) -> None:
        """Add an operation at each of ``places`` where none is known."""
        by = -1 if op is Op.GET else 1
        what = What.GETS if op is Op.GET else What.PUTS
        mine = self._instants.of_task.get(task, [])
        index = {id(instant): number for number, instant in enumerate(mine)}
        after_known = False
        for known, place, instant in self._neighbours(task, times, ours, op):
            at = instant.at
            if known and instant.what is What.WAITS:
                row = instant.payload
                ended = self._ended.get(row, self._timeline.waits.ended[row])
                self._moves.append(_Move(at, 0, op, waits=True))
                if ended != NOT_YET:
                    self._moves.append(_Move(ended, by, op, waits=True))
            elif known:
                self._moves.append(_Move(at, by, op, waits=False))
                self._added[task].append(Instant(at, instant.rank, what, self._queue))
            elif place in places and not after_known:
                number = index[id(instant)] - (1 if op is Op.GET else 0)
                when, rank = self._instants.begins[task], -2
                if number >= 0:
                    when, rank = mine[number].at, mine[number].rank + 1
                self._moves.append(_Move(when, by, op, waits=False))
                self._added[task].append(Instant(when, rank, what, self._queue))
            after_known = known

    def _check(self) -> tuple[int, int] | None:
        """Return how many items fit in, 0 if unknown, and how many there were at first.

        ``None`` if the operations make no sense.
        """
        moves = sorted(self._moves, key=lambda move: (move.at, -move.by))
        items = at_first = self._at_first(moves)
        gets, right = 0, 0
        full: Counter[int] = Counter()
        for move in moves:
            if not move.by and move.op is Op.GET:
                gets += 1
                right += items <= 0
            elif not move.by:
                full[items] += 1
            items += move.by
        puts = full.total()
        size, often = full.most_common(1)[0] if full else (0, 0)
        if right < _RIGHT * gets or often < _RIGHT * puts:
            return None
        return max(0, size), at_first

    @staticmethod
    def _at_first(moves: list[_Move]) -> int:
        """Return how many items there were before the first known put.

        As many as explain that the queue was empty when most gets had to wait; if none had to, as
        many as were taken although nobody had put them.
        """
        items = lowest = 0
        empty: Counter[int] = Counter()
        for move in moves:
            if not move.by and move.op is Op.GET:
                empty[items] += 1
            items += move.by
            lowest = min(lowest, items)
        return max(0, -(empty.most_common(1)[0][0] if empty else lowest))
