"""A timeline at one time, with the intermediate results that several answers share."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import le
from typing import Any, Literal, TypeAlias, TypeVar

from asyncctx_trace.analysis.kernels.charges import MAX_PATHS, MAX_PATHS_IN_ALL
from asyncctx_trace.analysis.kernels.choice import Kernels, kernels_for
from asyncctx_trace.analysis.kernels.columns import Nestings, Waits
from asyncctx_trace.analysis.occupancy import Occupancy, contends, wait_of
from asyncctx_trace.analysis.timeline.row_lookup import (
    differing,
    entered,
    open_around,
    open_at,
    pick,
)
from asyncctx_trace.analysis.timeline.table import NOT_YET, Phase, Timeline
from asyncctx_trace.model import names

__all__ = ["End", "Interruption", "Snapshot"]

End: TypeAlias = Literal["running", "killed", "closed", "ended"]
"""``killed``: it ended without a word; ``closed``: it ended its recording, and may have gone on;
``ended``: its launcher saw it end."""

T = TypeVar("T")

_NAME = 60
"""The maximum length of a name in a sentence."""


@dataclass(frozen=True, slots=True)
class Interruption:
    """The time at which a process was asked to end, and ended because of it."""

    at: int
    """Monotonic ns."""
    process: int
    pid: int
    reason: str
    """The name of the signal, such as ``SIGINT``, or ``KeyboardInterrupt``."""
    survived: bool = False
    """Whether the process went on working."""

    @property
    def is_orderly(self) -> bool:
        """Whether a service that works correctly may have been stopped in this way."""
        return self.survived or self.reason in ("SIGTERM", "SIGHUP")


class Snapshot:
    """The state of ``timeline`` at one time.

    The timeline must not grow while this is in use. ``now`` is in monotonic ns, by default the end
    of the timeline; ``running``: the program may go on, so that what has not ended may still end.
    That is always so in a dump.
    ``interruption``, ``rows``: see the attributes. ``kernels``: by default those for the size of
    the timeline.
    """

    def __init__(
        self,
        timeline: Timeline,
        now: int | None = None,
        *,
        running: bool = False,
        interruption: Interruption | None = None,
        rows: Sequence[int] | None = None,
        kernels: Kernels | None = None,
    ) -> None:
        self.timeline = timeline
        self.kernels = kernels or kernels_for(len(timeline))
        """The implementations that all answers about this snapshot use."""
        self.interruption = interruption
        """What ended the program, if ``timeline`` was cut at that time."""
        self.is_cut = False
        """Whether ``timeline`` was cut at the time of an interruption."""
        self.rows = rows
        """Row of ``timeline`` -> row of the timeline from which it was cut, if they differ."""
        self.now: int = (timeline.end or 0) if now is None else now
        self.start: int = timeline.start or 0
        self.running = running or timeline.dump is not None
        self._answers: dict[Callable[[Snapshot], Any], Any] = {}
        self._occupancy: dict[int, Occupancy] = {}

    def once(self, question: Callable[[Snapshot], T]) -> T:
        """Return ``question(self)``, which is computed at most once."""
        if question not in self._answers:
            self._answers[question] = question(self)
        answer: T = self._answers[question]
        return answer

    # -- who waits where --------------------------------------------------------------------

    @cached_property
    def limited(self) -> list[int]:
        """The resources that were used and that tasks can keep each other out of."""
        timeline = self.timeline
        return [r for r in timeline.rows_of_resource if contends(timeline.resources.get(r))]

    def occupancy(self, resource: int) -> Occupancy:
        """Return the holders and waiters of ``resource`` over time."""
        result = self._occupancy.get(resource)
        if result is None:
            result = Occupancy(self.timeline, resource, self.now, self.kernels)
            self._occupancy[resource] = result
        return result

    def blocked_time(self, row: int) -> int:
        """Return for how many ns ``row`` waited while its resource was full."""
        resource = self.timeline.resource[row]
        if not contends(self.timeline.resources.get(resource)):
            return 0
        return self.occupancy(resource).blocked_time(row)

    @cached_property
    def waits(self) -> Waits:
        """When each task waited for a limited resource."""
        rows = array("q")
        for resource in self.limited:
            rows.extend(self.timeline.rows_of_resource[resource])
        return self.kernels.for_rows(rows).waits(self.timeline, rows, self.now)

    def waiting_at(self, task: int, at: int) -> int | None:
        """Return the row in which ``task`` waited for a limited resource at time ``at``."""
        return self.waits.at(task, at)

    def holders(self, resource: int, at: int) -> list[int]:
        """Return the rows that held ``resource`` at time ``at``, in order of entering."""
        return self.occupancy(resource).holders_at(at)

    def holder(self, row: int, at: int) -> int:
        """Return the task that held ``row`` at time ``at``; once the exit has started, its task."""
        exit_started = self.timeline.exit_started[row]
        if exit_started != NOT_YET and at >= exit_started:
            return self.timeline.exit_task[row]
        return self.timeline.task[row]

    @cached_property
    def max_paths(self) -> int:
        """The number of paths along which the waits for one resource are charged."""
        if len(self.limited) * MAX_PATHS <= MAX_PATHS_IN_ALL:
            return MAX_PATHS
        contended = sum(self.occupancy(r).total_blocked > 0 for r in self.limited)
        return max(2, min(MAX_PATHS, MAX_PATHS_IN_ALL // max(1, contended)))

    @cached_property
    def parents(self) -> array[int]:
        """By row, the row of the enclosing acquisition; -1 if there is none."""
        return self.kernels.whole.parents(self.timeline)

    @cached_property
    def nestings(self) -> Nestings:
        """The requests for a limited resource that a task made while it held others."""
        return self.kernels.whole.nestings(self.timeline, self.limited, self.parents)

    def held_by(self, task: int, at: int) -> list[int]:
        """Return the rows that ``task`` held at time ``at``, outermost first."""
        rows = self.timeline.rows_of_task.get(task, ())
        last = bisect_right(rows, at, key=self.timeline.enter_started.__getitem__) - 1
        return open_at(self.timeline, self.parents, rows[last], at) if last >= 0 else []

    def held_around(self, row: int) -> list[int]:
        """Return what the task of ``row`` held when it asked for it, outermost first."""
        return open_around(self.timeline, self.parents, row)

    @cached_property
    def ended_for_others(self) -> dict[int, list[int]]:
        """Task -> the acquisitions of other tasks whose exit it started, in order."""
        result: dict[int, list[int]] = {}
        for row in differing(self.timeline.exit_task, self.timeline.task):
            result.setdefault(self.timeline.exit_task[row], []).append(row)
        return result

    @cached_property
    def stacked(self) -> dict[int, list[int]]:
        """Task -> the rows that it exited or has to exit, if it was ever in two at a time.

        Other tasks have no order of exits.
        """
        timeline, foreign = self.timeline, self.ended_for_others
        tasks = dict.fromkeys((*timeline.rows_of_task, *foreign))
        result: dict[int, list[int]] = {}
        for task in self.kernels.whole.tasks_with_overlaps(timeline, tasks):
            rows = [
                row
                for row in timeline.rows_of_task.get(task, ())
                if timeline.exit_task[row] == task
            ]
            rows = entered(timeline, sorted(rows + foreign.get(task, [])))
            over, begun = pick(timeline.exit_ended, rows), pick(timeline.enter_started, rows[1:])
            if NOT_YET in over[:-1] or not all(map(le, over, begun)):
                result[task] = rows
        return result

    @cached_property
    def exits(self) -> dict[int, list[tuple[int, int]]]:
        """Task -> (start of the exit, row) of what it exited, in order."""
        timeline = self.timeline
        result: dict[int, list[tuple[int, int]]] = {}
        for row, started in enumerate(timeline.exit_started):
            if started != NOT_YET:
                result.setdefault(timeline.exit_task[row], []).append((started, row))
        return {task: sorted(exits) for task, exits in result.items()}

    def wait_length(self, row: int) -> int:
        """Return how long the enter of ``row`` has taken, in ns."""
        start, end = wait_of(self.timeline, row, self.now)
        return end - start

    def exit_length(self, row: int) -> int:
        """Return how long the exit of ``row`` has taken, in ns; 0 if it has not started."""
        start, end = self.timeline.exit_started[row], self.timeline.exit_ended[row]
        if start == NOT_YET:
            return 0
        return (max(start, self.now) if end == NOT_YET else end) - start

    def abandoned(self, row: int) -> bool:
        """Return whether the exit of ``row`` will never end, because the task that entered is gone.

        The garbage collector closes the coroutine of a dropped task, whose exit can no longer
        await. That is a leak; the task in which the collector ran does not matter.
        """
        timeline = self.timeline
        return timeline.exit_ended[row] == NOT_YET and timeline.task[row] in timeline.task_ended

    def body_length(self, row: int) -> int:
        """Return how long the body of ``row`` has taken, in ns; 0 if it did not enter."""
        if not self.timeline.entered(row):
            return 0
        start, end = self.timeline.enter_ended[row], self.timeline.exit_started[row]
        return (max(start, self.now) if end == NOT_YET else end) - start

    # -- ends -------------------------------------------------------------------------------

    @cached_property
    def _ends(self) -> dict[int, End]:
        """Process -> how it ended."""
        codes: dict[int, list[int | None]] = {}
        for ended in self.timeline.process_ended:
            codes.setdefault(ended.pid, []).append(ended.exit_code)
        open_end: End = "running" if self.running else "killed"
        ends: dict[int, End] = {}
        for process, known in self.timeline.processes.items():
            said = codes.get(known.pid, [])
            signalled = any(code is not None and code < 0 for code in said)
            if not said or (signalled and None not in said):
                ends[process] = "killed" if said else open_end
            else:
                ends[process] = "closed" if said.count(None) == len(said) else "ended"
        return ends

    def process_of(self, task: int) -> int | None:
        """The process of ``task``, ``None`` if nothing is known of it."""
        known = self.timeline.tasks.get(task)
        return None if known is None else known.process

    def end_of(self, task: int) -> End:
        """Return how the process of ``task`` ended."""
        definition = self.timeline.tasks.get(task)
        open_end: End = "running" if self.running else "killed"
        return self._ends.get(definition.process, open_end) if definition else open_end

    # -- words ------------------------------------------------------------------------------

    def task_name(self, task: int) -> str:
        """Return the name of a task, for a sentence."""
        return names.task_name(self.timeline, task, _NAME)

    def task_names(self, tasks: list[int], most: int = 3) -> str:
        """Return the names of the first ``most`` tasks, and how many are left."""
        shown = [self.task_name(task) for task in tasks[:most]]
        left = len(tasks) - len(shown)
        return ", ".join(shown) + (f" (+{left} more)" if left else "")

    def resource_name(self, resource: int) -> str:
        """Return the name of a resource, for a sentence."""
        return names.resource_name(self.timeline, resource, _NAME)

    def site_label(self, site: int) -> str:
        """Return a site as ``app.py:12``; the whole path is in the evidence."""
        return names.site_name(self.timeline, site, _NAME) or "an unknown site"

    def function_name(self, site: int) -> str:
        """Return the function that contains a site, or ``""`` if unknown."""
        return names.function_name(self.timeline, site, _NAME)

    def acquisition_label(self, row: int) -> str:
        """Return the resource and the site of the acquisition in ``row``."""
        timeline = self.timeline
        name = self.resource_name(timeline.resource[row])
        return f"`{name}` at {self.site_label(timeline.site[row])}"

    def error_text(self, row: int, phase: Phase) -> str:
        """Return the error that ended a phase, such as ``ValueError: bad``, or ``""``."""
        known = self.timeline.errors.get((row, phase))
        return names.error_summary(known, 2 * _NAME) if known is not None else ""
