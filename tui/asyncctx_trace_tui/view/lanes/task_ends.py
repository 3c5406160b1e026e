"""When tasks ended: from then on, another task may take their row."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace_tui.view.tracks.kernels import numpy_for

__all__ = ["TaskEnds"]


class TaskEnds:
    """The ends of tasks of a timeline that may grow.

    A task ends when its end was recorded and nothing of it is open any more: an acquisition that
    outlives its task, because it leaks or because another task releases it, keeps the row taken.
    """

    def __init__(self, timeline: Timeline) -> None:
        self.ends: dict[int, int] = {}
        """Task -> when it ended, in ns."""
        self.order: list[int] = []
        """The tasks in ``ends``, in the order in which they were added."""
        self._timeline = timeline
        self._seen = 0
        self._open: list[int] = []
        """Tasks that have ended while something of them is open."""

    def update(self) -> None:
        """Add the tasks that have ended since the last call."""
        timeline = self._timeline
        candidates = [*self._open, *islice(timeline.task_ended, self._seen, None)]
        self._seen = len(timeline.task_ended)
        if not candidates:
            return
        open_tasks = {timeline.task[row] for row in timeline.open.rows}
        open_tasks.update(timeline.waits.task[row] for row in timeline.waits.open.values())
        self._open = [task for task in candidates if task in open_tasks]
        ended = [task for task in candidates if task not in open_tasks]
        later = self._later_ends(ended)
        for task in ended:
            if task not in self.ends:
                self.order.append(task)
            self.ends[task] = later.get(task, timeline.task_ended[task])

    def _later_ends(self, tasks: list[int]) -> dict[int, int]:
        """Return the ends of acquisitions that ended after their task, which is among ``tasks``."""
        timeline = self._timeline
        fast = numpy_for(len(tasks))
        if fast is not None:
            found: dict[int, int] = fast.later_ends(timeline, tasks)
            return found
        ends = ((task, self._last_end(timeline.rows_of_task.get(task, ()))) for task in tasks)
        return {task: end for task, end in ends if end > timeline.task_ended[task]}

    def _last_end(self, rows: Iterable[int]) -> int:
        """Return the last end of acquisitions that have all ended; 0 if there are none."""
        entered, exited = self._timeline.enter_ended, self._timeline.exit_ended
        return max((max(entered[row], exited[row]) for row in rows), default=0)
