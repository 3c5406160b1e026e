"""A timeline as it was at an earlier time."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import compress, count, repeat
from math import inf
from operator import lt

from asyncctx_trace.analysis.timeline.open_rows import OpenAcquisitions
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.model.outcomes import Outcome

__all__ = ["picked", "truncated"]

_FIRST = ("id", "parent", "task", "resource", "site", "by_call", "depth", "enter_started")
"""The columns that the first event of an acquisition sets, and no later one changes."""

_LATER: dict[str, tuple[tuple[str, int], ...]] = {
    "enter_ended": (("enter_outcome", 0),),
    "exit_started": (("body_outcome", 0), ("exit_site", 0)),
    "exit_ended": (("exit_outcome", 0), ("suppressed", 0), ("exit_flags", 0)),
}
"""Column of the time of a later event -> the other columns that it sets, with their initial
values."""

_PHASES = {"enter": "enter_ended", "body": "exit_started", "exit": "exit_ended"}
"""Phase -> column of the time at which it ended."""


def truncated(
    timeline: Timeline, until: Mapping[int, int]
) -> tuple[Timeline, Sequence[int] | None]:
    """Return ``timeline`` as it was at ``until`` (process -> monotonic ns), and its old rows.

    Events of a process up to and including its time are kept; all events of other processes are
    kept. The result must not be extended. The rows are those of ``timeline``, ``None`` if they are
    the same. O(n) for n acquisitions, in loops that run in C if all processes have the same time.
    """
    limits = {
        task: until.get(definition.process, inf)
        for task in (*timeline.rows_of_task, *timeline.waits.rows_of_task)
        if (definition := timeline.tasks.get(task)) is not None
    }
    limit_of: Callable[[int], float] = lambda task: limits.get(task, inf)  # noqa: E731 - short
    end = max(until.values()) if set(limits.values()) <= set(until.values()) else inf
    result = Timeline()
    rows = _begun(timeline, limit_of)
    _copy(timeline, result, rows)
    for row, column in _known_later(result, limit_of):
        getattr(result, column)[row] = NOT_YET
        for other, empty in _LATER[column]:
            getattr(result, other)[row] = empty
        if column == "exit_started":
            result.exit_task[row] = result.task[row]
    _copy_by_row(timeline, result, rows, limit_of)
    _copy_the_rest(timeline, result, until, end)
    return result, None if isinstance(rows, range) else rows


def picked(timeline: Timeline, rows: Sequence[int]) -> Timeline:
    """Return ``timeline`` without the acquisitions that are not in ``rows``, which are in order."""
    result = Timeline()
    _copy(timeline, result, rows)
    _copy_by_row(timeline, result, rows, lambda _: inf)
    _copy_the_rest(timeline, result, {}, inf)
    return result


def _begun(timeline: Timeline, limit_of: Callable[[int], float]) -> Sequence[int]:
    """Return the rows that had started, as a range if they are the first ones."""
    limits = {limit_of(task) for task in timeline.rows_of_task}
    if len(limits) == 1:
        limit = limits.pop()
        started = timeline.enter_started
        number = bisect_right(started, limit)
        # Facts of other threads may have come late.
        if max(started[:number], default=0) <= limit < min(started[number:], default=inf):
            return range(number)
    return [
        row
        for row, (task, at) in enumerate(zip(timeline.task, timeline.enter_started, strict=True))
        if at <= limit_of(task)
    ]


def _copy(timeline: Timeline, result: Timeline, rows: Sequence[int]) -> None:
    names = [*_FIRST, "exit_task", *_LATER, *(name for more in _LATER.values() for name, _ in more)]
    for name in names:
        column = getattr(timeline, name)
        kept = column[: len(rows)] if isinstance(rows, range) else map(column.__getitem__, rows)
        setattr(result, name, array(column.typecode, kept))
    result.manager = [timeline.manager[row] for row in rows]
    if isinstance(rows, range):
        for groups, kept_groups in (
            (timeline.rows_of_task, result.rows_of_task),
            (timeline.rows_of_resource, result.rows_of_resource),
        ):
            for key, members in groups.items():
                if kept := members[: bisect_left(members, len(rows))]:
                    kept_groups[key] = kept
        return
    for row, (task, resource) in enumerate(zip(result.task, result.resource, strict=True)):
        result.rows_of_task.setdefault(task, array("q")).append(row)
        result.rows_of_resource.setdefault(resource, array("q")).append(row)


def _known_later(result: Timeline, limit_of: Callable[[int], float]) -> list[tuple[int, str]]:
    """Return row and column of the events that came later."""
    lowest = min(map(limit_of, result.rows_of_task), default=inf)
    return [
        (row, column)
        for column in _LATER
        for row in compress(count(), map(lt, repeat(lowest), getattr(result, column)))
        if getattr(result, column)[row] > limit_of(result.task[row])
    ]


def _copy_by_row(
    timeline: Timeline, result: Timeline, rows: Sequence[int], limit_of: Callable[[int], float]
) -> None:
    """Copy what is stored by row, once the columns are copied."""
    new = rows if isinstance(rows, range) else {row: number for number, row in enumerate(rows)}
    for (row, phase), error in timeline.errors.items():
        if row in new:
            number = row if isinstance(new, range) else new[row]
            if getattr(result, _PHASES[phase])[number] != NOT_YET:
                result.errors[number, phase] = error
    for row, at in timeline.collected.items():
        if row in new and at <= limit_of(timeline.task[row]):
            result.collected[row if isinstance(new, range) else new[row]] = at
    over = map(_is_over, result.enter_ended, result.enter_outcome, result.exit_ended)
    result.open = OpenAcquisitions(
        {result.id[row]: row for row, ended in enumerate(over) if not ended}
    )


def _is_over(enter_ended: int, enter_outcome: int, exit_ended: int) -> bool:
    return exit_ended != NOT_YET or (enter_ended != NOT_YET and enter_outcome != Outcome.OK)


def _copy_the_rest(
    timeline: Timeline, result: Timeline, until: Mapping[int, int], end: float
) -> None:
    def known(task: int, at: int) -> bool:
        defined = timeline.tasks.get(task)
        return defined is None or at <= until.get(defined.process, inf)

    result.processes = timeline.processes
    result.resources, result.sites = timeline.resources, timeline.sites
    result.tasks = {task: each for task, each in timeline.tasks.items() if known(task, each.at)}
    # A task that had finished when the signal came is told of with the signal, which the launcher
    # may have noted a little earlier.
    stamps = sorted(note.at for note in timeline.interrupted if not note.late)
    finished = {
        next((stamp for stamp in stamps if stamp >= moment), None) for moment in until.values()
    }
    result.task_ended = {
        task: at for task, at in timeline.task_ended.items() if known(task, at) or at in finished
    }
    result.waits = timeline.waits
    if until:
        moments = {
            task: until.get(definition.process, inf) for task, definition in timeline.tasks.items()
        }
        result.waits = timeline.waits.until(lambda task: moments.get(task, inf))
    result.stalls = {stall: start for stall, start in timeline.stalls.items() if start.at <= end}
    result.stalls_ended = {
        stall: ended for stall, ended in timeline.stalls_ended.items() if ended.at <= end
    }
    result.quiescent = {
        process: note
        for process, note in timeline.quiescent.items()
        if note.at <= until.get(process, inf)
    }
    result.unmatched = [
        release for release in timeline.unmatched if known(release.task, release.at)
    ]
    result.printed = [line for line in timeline.printed if line.at <= end]
    result.marks = [mark for mark in timeline.marks if mark.at <= end]
    # What is missing is told at the end of a process, whenever it was lost.
    result.dropped = timeline.dropped
    result.dump, result.weights = timeline.dump, timeline.weights
    result.interrupted = timeline.interrupted
    pids = {timeline.processes[process].pid for process in until if process in timeline.processes}
    result.process_ended = [note for note in timeline.process_ended if note.pid not in pids]
    result.facts = timeline.facts[: bisect_right(timeline.facts, end)]
    result.start = timeline.start
    result.end = timeline.end if end == inf else int(end)
