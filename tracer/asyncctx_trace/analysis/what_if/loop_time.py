"""How long tasks occupied their event loop, derived from the order of the events of a thread."""

from __future__ import annotations

from array import array
from bisect import bisect_left

from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline

__all__ = ["LoopTime"]


class LoopTime:
    """The events of each thread in order of time.

    An event loop runs one task at a time. So the time between two events of a thread belongs to the
    task of the later one, except for what passed before that task could go on.
    """

    def __init__(self, timeline: Timeline) -> None:
        self._threads: dict[tuple[int, str], int] = {}
        self._loops: dict[int, int] = {}
        for task, known in timeline.tasks.items():
            key = known.process, known.thread
            self._loops[task] = self._threads.setdefault(key, len(self._threads))
        events: list[list[tuple[int, int]]] = [[] for _ in range(len(self._threads) + 1)]
        for times, tasks in (
            (timeline.enter_started, timeline.task),
            (timeline.enter_ended, timeline.task),
            (timeline.exit_started, timeline.exit_task),
            (timeline.exit_ended, timeline.exit_task),
            (timeline.waits.started, timeline.waits.task),
        ):
            for at, task in zip(times, tasks, strict=True):
                if at != NOT_YET:
                    events[self.loop_of(task)].append((at, task))
        for each in events:
            each.sort()
        self._times = [array("q", (at for at, _ in each)) for each in events]
        self._tasks = [array("q", (task for _, task in each)) for each in events]

    def loop_of(self, task: int) -> int:
        """Return the index of the thread in which ``task`` runs."""
        return self._loops.get(task, len(self._threads))

    def last_of_others(self, task: int, start: int, end: int) -> int | None:
        """Return the last time between ``start`` and ``end`` (ns) at which another task ran.

        ``None`` if there is none. O(log n), plus the events of ``task`` itself in between.
        """
        loop = self.loop_of(task)
        times, tasks = self._times[loop], self._tasks[loop]
        index = bisect_left(times, end) - 1
        while index >= 0 and times[index] > start and tasks[index] == task:
            index -= 1
        return times[index] if index >= 0 and times[index] > start else None
