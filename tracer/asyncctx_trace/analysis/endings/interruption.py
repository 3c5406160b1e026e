"""Find out when a program was interrupted, and look at it as it was then.

To shut down cancels waits, releases locks and raises errors, none of which happened in the normal
course of the program. So everything that was open is judged at the time of the interruption, and
what came later is left out. ``docs/findings.md`` says which interruptions count.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from itertools import compress, count, repeat
from operator import lt

from asyncctx_trace.analysis.endings.truncation import truncated
from asyncctx_trace.analysis.snapshot import Interruption, Snapshot
from asyncctx_trace.analysis.timeline.completeness import recording_stops
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.model.outcomes import Outcome

__all__ = ["interruptions_of", "cut_at_interruption", "last_interruptions"]

_KEYBOARD = "KeyboardInterrupt"
_LATE = 250_000_000
"""The time within which the launcher notes a signal that the terminal sent to the program, in
ns."""
_BOOKKEEPING = frozenset({"exit stack", "task group", "timeout"})
"""Kinds of resources that are entered for work as well as for a shutdown."""


def cut_at_interruption(snapshot: Snapshot) -> Snapshot:
    """Return ``snapshot`` at the time of the interruption, or itself if there was none.

    A program that still runs has not been ended by anything. A process whose recording stopped
    before it ended is judged at that time.
    """
    if snapshot.is_cut:
        return snapshot
    found = {} if snapshot.running else interruptions_of(snapshot.timeline)
    moments = recording_stops(snapshot.timeline)
    for process, each in list(found.items()):
        if each.at <= moments.get(process, each.at):
            moments[process] = each.at
        else:
            del found[process]
    if not moments:
        return snapshot
    timeline, rows = truncated(snapshot.timeline, moments)
    first = min(found.values(), key=lambda each: each.at, default=None)
    result = Snapshot(
        timeline,
        running=snapshot.running,
        interruption=first,
        rows=rows,
        kernels=snapshot.kernels,
    )
    result.is_cut = True
    return result


def interruptions_of(timeline: Timeline) -> dict[int, Interruption]:
    """Return process -> the interruption that ended it, without those that it survived.

    An interruption ended a process if the process started no work after it, or if its exit code
    says so. If one follows another without work between them, the first one counts.
    """
    result: dict[int, Interruption] = {}
    for process in _working(timeline):
        candidates = sorted(_candidates(timeline, process), key=lambda each: each.at)
        counted: Interruption | None = None
        for candidate in reversed(candidates):
            ended_by_it = counted is None and _exit_code_says(timeline, candidate)
            until = None if counted is None else counted.at
            if not ended_by_it and _worked_after(timeline, candidate, until):
                break
            counted = candidate
        if counted is not None:
            result[process] = counted
    return result


def last_interruptions(timeline: Timeline) -> dict[int, Interruption]:
    """Return process -> its last interruption, whether it survived it or not."""
    return {
        process: max(candidates, key=lambda each: each.at)
        for process in _working(timeline)
        if (candidates := list(_candidates(timeline, process)))
    }


def _working(timeline: Timeline) -> set[int]:
    """Return the processes that acquired anything, or waited for anything."""
    return _processes_of(timeline, (*timeline.rows_of_task, *timeline.waits.rows_of_task))


def _processes_of(timeline: Timeline, tasks: Iterable[int]) -> set[int]:
    definition = (timeline.tasks.get(task) for task in tasks)
    return {each.process for each in definition if each is not None}


def _candidates(timeline: Timeline, process: int) -> Iterator[Interruption]:
    """Yield the noted interruptions of a process and its ancestors, and those that errors show."""
    pids = set(_ancestry(timeline, process))
    own = timeline.processes[process].pid if process in timeline.processes else 0
    for note in timeline.interrupted:
        if note.pid in pids:
            at = _backdated(timeline, process, note.at) if note.late else note.at
            yield Interruption(at, process, note.pid, note.reason)
    if pids.intersection(note.pid for note in timeline.interrupted):
        return
    for (row, phase), error in timeline.errors.items():
        if error.type == f"builtins.{_KEYBOARD}" and _process_of(timeline, row) == process:
            yield Interruption(_ended(timeline, row, phase) - 1, process, own, _KEYBOARD)


def _backdated(timeline: Timeline, process: int, at: int) -> int:
    """Return when the process began to end, at most a quarter of a second before ``at``.

    It began if nothing was started since the first cancellation of that time; otherwise ``at`` is
    returned. To judge a process a little too early does no harm.
    """
    since = at - _LATE
    bad: list[int] = []
    for times, outcomes in (
        (timeline.enter_ended, timeline.enter_outcome),
        (timeline.exit_started, timeline.body_outcome),
        (timeline.exit_ended, timeline.exit_outcome),
    ):
        for row in compress(count(), map(lt, repeat(since), times)):
            cancelled = times[row] <= at and outcomes[row] == Outcome.CANCELLED
            if cancelled and _process_of(timeline, row) == process:
                bad.append(times[row])
    if not bad:
        return at
    began = min(bad) - 1
    earlier = Interruption(began, process, 0, "")
    return at if _worked_after(timeline, earlier, at) else began


def _ancestry(timeline: Timeline, process: int) -> Iterator[int]:
    by_pid = {processe.pid: processe for processe in timeline.processes.values()}
    seen: set[int] = set()
    definition = timeline.processes.get(process)
    while definition is not None and definition.pid not in seen:
        seen.add(definition.pid)
        yield definition.pid
        definition = by_pid.get(definition.parent_pid)


def _process_of(timeline: Timeline, row: int) -> int | None:
    definition = timeline.tasks.get(timeline.task[row])
    return None if definition is None else definition.process


def _ended(timeline: Timeline, row: int, phase: str) -> int:
    columns = {
        "enter": timeline.enter_ended,
        "body": timeline.exit_started,
        "exit": timeline.exit_ended,
    }
    return columns[phase][row]


def _exit_code_says(timeline: Timeline, interruption: Interruption) -> bool:
    """Return whether the process exited with the code of the signal, or the shell's code for it."""
    name = "SIGINT" if interruption.reason == _KEYBOARD else interruption.reason
    number = getattr(signal, name, None)
    codes = [note.exit_code for note in timeline.process_ended if note.pid == interruption.pid]
    return number is not None and any(code in (-number, 128 + number) for code in codes)


# -- what a process did afterwards ------------------------------------------------------------


def _worked_after(timeline: Timeline, interruption: Interruption, until: int | None) -> bool:
    """Return whether the process started work after it that was not part of the cleanup.

    That is an acquisition, or a wait where it acquires nothing at all.
    """
    if interruption.process not in _processes_of(timeline, timeline.rows_of_task):
        return _waited_after(timeline, interruption, until)
    rows = [
        row
        for row in _begun_after(timeline, interruption.at)
        if _process_of(timeline, row) == interruption.process
        and (until is None or timeline.enter_started[row] <= until)
    ]
    if not rows:
        return False
    cleanup = _Cleanup(timeline, interruption.at)
    return any(not cleanup.includes(row) for row in rows if not _keeps_books(timeline, row))


def _waited_after(timeline: Timeline, interruption: Interruption, until: int | None) -> bool:
    """Return whether a task began to wait after it that has not been cancelled since."""
    waits, at = timeline.waits, interruption.at
    cancelled = {
        task
        for task, ended, outcome in zip(waits.task, waits.ended, waits.outcome, strict=True)
        if ended >= at and outcome == Outcome.CANCELLED
    }
    later = {
        task
        for task, started in zip(waits.task, waits.started, strict=True)
        if started > at and (until is None or started <= until)
    }
    return interruption.process in _processes_of(timeline, later - cancelled)


def _begun_after(timeline: Timeline, at: int) -> Iterable[int]:
    """Return the rows that started after ``at``, in order."""
    row = len(timeline) - 1
    started = timeline.enter_started
    result = []
    # Facts of other threads may stand a little out of order.
    while row >= 0 and (started[row] > at or (row > 0 and started[row - 1] > at)):
        if started[row] > at:
            result.append(row)
        row -= 1
    return reversed(result)


def _keeps_books(timeline: Timeline, row: int) -> bool:
    definition = timeline.resources.get(timeline.resource[row])
    return definition is not None and definition.kind in _BOOKKEEPING


class _Cleanup:
    """Distinguishes what tasks acquire in order to clean up from what they acquire for work."""

    def __init__(self, timeline: Timeline, at: int) -> None:
        """``at``: the time of the interruption."""
        self._timeline = timeline
        self._row_of = {acquisition: row for row, acquisition in enumerate(timeline.id)}
        self._unwound: dict[int, int] = {}
        """Task -> when an error or a cancellation first unwound it after ``at``."""
        self._at = at
        for times, outcomes in (
            (timeline.enter_ended, timeline.enter_outcome),
            (timeline.exit_started, timeline.body_outcome),
            (timeline.exit_ended, timeline.exit_outcome),
        ):
            for row in compress(count(), map(lt, repeat(at), times)):
                if outcomes[row] != Outcome.OK:
                    task = timeline.task[row]
                    self._unwound[task] = min(times[row], self._unwound.get(task, times[row]))

    def includes(self, row: int) -> bool:
        """Return whether ``row``, which started after the interruption, is part of the cleanup."""
        timeline = self._timeline
        task, started = timeline.task[row], timeline.enter_started[row]
        return self._within_an_exit(row) or (
            self._unwinding(task, started) and not self._resumes(row)
        )

    def _within_an_exit(self, row: int) -> bool:
        timeline = self._timeline
        started = timeline.enter_started[row]
        above = self._row_of.get(timeline.parent[row])
        while above is not None:
            if NOT_YET < timeline.exit_started[above] <= started:
                return True
            above = self._row_of.get(timeline.parent[above])
        return False

    def _unwinding(self, task: int, at: int) -> bool:
        """Return whether ``task`` has been unwound by ``at``, or was created by one that has."""
        seen: set[int] = set()
        while task not in seen:
            seen.add(task)
            if task in self._unwound and self._unwound[task] <= at:
                return True
            definition = self._timeline.tasks.get(task)
            if definition is None or definition.parent is None or definition.at <= self._at:
                return False
            task, at = definition.parent, definition.at
        return False

    def _resumes(self, row: int) -> bool:
        """Return whether the task successfully repeats what it did before the interruption."""
        timeline = self._timeline
        return timeline.body_outcome[row] == Outcome.OK and any(
            timeline.site[other] == timeline.site[row] and timeline.enter_started[other] <= self._at
            for other in timeline.rows_of_task[timeline.task[row]]
        )
