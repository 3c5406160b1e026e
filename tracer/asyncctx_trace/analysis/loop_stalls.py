"""When event loops stood still, and in which lines of the program."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.statistics import DurationStats
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.events import StallStarted
from asyncctx_trace.model.names import site_path
from asyncctx_trace.model.text import plain

__all__ = ["Stall", "StallLine", "describe_line", "stall_lines", "stalls_of"]


@dataclass(frozen=True, slots=True)
class Stall:
    """The time in which one event loop stood still in one call."""

    started: StallStarted
    since: int
    """Monotonic ns."""
    until: int
    """Monotonic ns; now if it has not ended."""
    ended: bool
    collections: int
    """How many full garbage collections ran meanwhile: they may be what took the time."""
    delayed: int
    """For how long its thread waited for a processor meanwhile, in ns."""

    @property
    def length(self) -> int:
        """For how long the loop stood still, in ns, without the time it waited for a processor."""
        return max(0, self.until - self.since - self.delayed)

    def covers(self, at: int) -> bool:
        """Return whether it goes on at ``at`` (monotonic ns), as far as is known."""
        return self.since <= at and (at < self.until or not self.ended)


@dataclass(frozen=True, slots=True)
class StallLine:
    """The stalls in one line of the program."""

    stalls: tuple[Stall, ...]
    """In order of time."""
    duration: DurationStats

    @property
    def longest(self) -> Stall:
        """The longest of them, and of equal ones the first."""
        return max(self.stalls, key=lambda stall: stall.length)


def stalls_of(timeline: Timeline, now: int) -> list[Stall]:
    """Return the stalls until ``now`` (monotonic ns), in order of time."""
    found = []
    for number, started in timeline.stalls.items():
        ended = timeline.stalls_ended.get(number)
        end = _next_event(timeline, started, now) if ended is None else ended.at
        until = max(started.since, now) if end is None else end
        found.append(
            Stall(
                started,
                started.since,
                until,
                end is not None,
                0 if ended is None else ended.collections,
                0 if ended is None else ended.delayed,
            )
        )
    return sorted(found, key=lambda stall: stall.since)


def _next_event(timeline: Timeline, stall: StallStarted, now: int) -> int | None:
    """Return when the task that blocked its loop next waited, entered something or ended.

    ``None`` if it did none of these. A loop that is closed right after a stall leaves no record
    of its end.
    """
    if stall.task is None:
        return None
    waits = timeline.waits
    found = [now + 1]
    for rows, started in (
        (waits.rows_of_task.get(stall.task, ()), waits.started),
        (timeline.rows_of_task.get(stall.task, ()), timeline.enter_started),
    ):
        index = bisect_right(rows, stall.at, key=started.__getitem__)
        found += [started[row] for row in rows[index : index + 1]]
    found += [timeline.task_ended.get(stall.task, now + 1)]
    return min(found) if min(found) <= now else None


def stall_lines(snapshot: Snapshot) -> list[StallLine]:
    """Return the stalls by line of the program, most time first."""
    lines: dict[object, list[Stall]] = {}
    for stall in stalls_of(snapshot.timeline, snapshot.now):
        started = stall.started
        lines.setdefault(started.site or started.stack[:1], []).append(stall)
    found = [
        StallLine(tuple(stalls), DurationStats.of(stall.length for stall in stalls))
        for stalls in lines.values()
    ]
    return sorted(found, key=lambda line: -line.duration.total)


def describe_line(timeline: Timeline, stall: StallStarted, width: int | None = None) -> str:
    """Return the line that blocked, such as ``app.py:12 time.sleep(1)``.

    It is the innermost line of the program on the stack; if there is none, the innermost frame.
    ``width``: the largest width of the path, in cells.
    """
    if stall.site is not None:
        known = timeline.sites.get(stall.site)
        text = plain(known.text) if known is not None else ""
        return f"{site_path(timeline, stall.site, width)} {text}".rstrip()
    if not stall.stack:
        return "an unknown line"
    file, line, function = stall.stack[0]
    return plain(f"{file.rpartition('/')[2]}:{line} {function}")
