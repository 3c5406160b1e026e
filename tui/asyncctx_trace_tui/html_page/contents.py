"""The timeline as the page contains it: ids are replaced with indexes, times are in ns from 0."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any

from asyncctx_trace.analysis.loop_stalls import describe_line, stalls_of
from asyncctx_trace.analysis.timeline.table import NOT_YET, Phase, Timeline
from asyncctx_trace.analysis.wait_subjects import describe_subject
from asyncctx_trace.model.names import class_name, resource_name, site_name, task_name
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.model.text import plain
from asyncctx_trace.model.waits import WaitKind
from asyncctx_trace_tui.html_page.columns import differences, packed, packed_text
from asyncctx_trace_tui.html_page.kept_rows import kept_acquisitions, kept_waits
from asyncctx_trace_tui.html_page.lanes import PageLane
from asyncctx_trace_tui.html_page.time_shares import TimeShares

__all__ = ["Contents", "short"]

_PHASES: tuple[Phase, ...] = ("enter", "body", "exit")
_BY_THEMSELVES = (WaitKind.SLEEP, WaitKind.IO, WaitKind.THREAD)
"""Waits that no task of the program has to end."""
_PATH = 32
"""The largest width of a path, in cells."""
_MOST_ROWS = 150_000
_MOST_WAITS = 100_000
_MOST_SLICES = 250_000
"""With the limits above, a page of any recording is smaller than 10 MB."""
_MOST_LINES = 5_000
"""Printed lines; earlier ones are left out."""
_MAX_TEXT = 2_000
"""Characters of a name or message; the rest is cut off."""
_NEVER = -1


class Contents:
    """What the page contains of a timeline, with at most a fixed number of rows one by one."""

    def __init__(
        self,
        timeline: Timeline,
        lanes: Sequence[PageLane],
        important: Iterable[int],
        wakeups: dict[int, int],
        *,
        most_rows: int = _MOST_ROWS,
        most_waits: int = _MOST_WAITS,
    ) -> None:
        """``important``: rows that are contained first. ``wakeups``: row -> the row that let it in.

        Everything that is not contained one by one is contained as sums by slice of time.
        """
        self._timeline = timeline
        self._lanes = lanes
        self._wakeups = wakeups
        self.start = timeline.start or 0
        """The time in ns that is 0 on the page."""
        self._end = timeline.end or self.start
        self._lane_of = {task: number for number, lane in enumerate(lanes) for task in lane.tasks}
        self._tasks = {task: number for number, task in enumerate(self._lane_of)}
        self._resources = {each: index for index, each in enumerate(timeline.rows_of_resource)}
        self._sites = {site: index for index, site in enumerate(dict.fromkeys(timeline.site))}
        self._subjects: dict[str, int] = {}
        """What is waited for -> its index."""
        rows = kept_acquisitions(timeline, most_rows, important)
        self.index_of = {row: index for index, row in enumerate(rows)}
        """Row of the timeline -> its index on the page."""
        self._waits = kept_waits(timeline, most_waits)
        self.wait_index_of = {wait: index for index, wait in enumerate(self._waits)}
        """The same of waits for other things."""

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON."""
        timeline = self._timeline
        result: dict[str, Any] = {
            "end": self._end - self.start,
            "acquisitions": len(timeline),
            "lanes": [[short(lane.label), short(lane.group)] for lane in self._lanes],
            "taskNames": packed_text(
                [short(task_name(timeline, task, None)) for task in self._tasks]
            ),
            "tasks": packed(self._task_columns()),
            "resources": [_resource(timeline, resource) for resource in self._resources],
            "sites": [_site(timeline, site) for site in self._sites],
            "rows": packed(self._row_columns()),
            "waits": packed(self._wait_columns()),
            "errors": self._errors(),
            "printed": [
                [printed.at - self.start, printed.stream, short(printed.text)]
                for printed in timeline.printed[-_MOST_LINES:]
            ],
            "printedBefore": max(0, len(timeline.printed) - _MOST_LINES),
            "stalls": self._stalls(),
            "dropped": sum(dropped.acquisitions for dropped in timeline.dropped),
            "sums": self._sums(),
        }
        return result | {"subjects": list(self._subjects)}

    def resource_index(self, resource: int) -> int:
        """Return the index of ``resource`` on the page, -1 if nothing acquired it."""
        return self._resources.get(resource, -1)

    def at(self, time: int) -> int:
        """Return ``time`` in ns from the start of the recording, -1 for never."""
        return _NEVER if time == NOT_YET else time - self.start

    def _task_columns(self) -> dict[str, list[int]]:
        tasks, ended = self._timeline.tasks, self._timeline.task_ended
        return {
            "lane": [self._lane_of[task] for task in self._tasks],
            "first": [
                max(0, tasks[task].at - self.start) if task in tasks else 0 for task in self._tasks
            ],
            "ended": [
                ended[task] - self.start if task in ended else _NEVER for task in self._tasks
            ],
        }

    def _row_columns(self) -> dict[str, list[int]]:
        timeline, rows = self._timeline, self.index_of
        started = [timeline.enter_started[row] for row in rows]
        entered = [timeline.enter_ended[row] for row in rows]
        leaving = [timeline.exit_started[row] for row in rows]
        left = [timeline.exit_ended[row] for row in rows]
        return {
            "task": [self._tasks[timeline.task[row]] for row in rows],
            "resource": [self._resources[timeline.resource[row]] for row in rows],
            "site": [self._sites[timeline.site[row]] for row in rows],
            "depth": [timeline.depth[row] for row in rows],
            "started": differences([at - self.start for at in started]),
            "waited": _lengths(started, entered),
            "held": _lengths(entered, leaving),
            "cleaned": _lengths(leaving, left),
            "outcomes": [
                timeline.enter_outcome[row]
                | timeline.body_outcome[row] << 3
                | timeline.exit_outcome[row] << 6
                | timeline.suppressed[row] << 9
                for row in rows
            ],
            "unblocker": [rows.get(self._wakeups.get(row, _NEVER), _NEVER) for row in rows],
        }

    def _wait_columns(self) -> dict[str, list[int]]:
        waits, rows = self._timeline.waits, self._waits
        return {
            "task": [self._tasks[waits.task[wait]] for wait in rows],
            "started": differences([waits.started[wait] - self.start for wait in rows]),
            "length": _lengths(
                [waits.started[wait] for wait in rows], [waits.ended[wait] for wait in rows]
            ),
            "subject": [self._subject(wait) for wait in rows],
            "waker": [self._tasks.get(waits.woken_by[wait], _NEVER) for wait in rows],
            "outcome": [waits.outcome[wait] for wait in rows],
            "unaided": [int(waits.kind[wait] in _BY_THEMSELVES) for wait in rows],
        }

    def _subject(self, wait: int) -> int:
        place = site_name(self._timeline, self._timeline.waits.site[wait])
        text = describe_subject(self._timeline, wait) + (f" at {place}" if place else "")
        return self._subjects.setdefault(short(text), len(self._subjects))

    def _errors(self) -> dict[str, str]:
        return {
            f"{self.index_of[row]}.{_PHASES.index(phase)}": short(
                f"{class_name(error.type)}: {error.message}"
            )
            for (row, phase), error in self._timeline.errors.items()
            if row in self.index_of
        }

    def _stalls(self) -> list[list[Any]]:
        return [
            [
                stall.since - self.start,
                stall.until - self.start,
                self._tasks.get(stall.started.task or 0, _NEVER),
                short(describe_line(self._timeline, stall.started, _PATH)),
            ]
            for stall in stalls_of(self._timeline, self._end)
        ]

    def _sums(self) -> dict[str, Any] | None:
        """Return what the rows that are left out add up to, by slice of time."""
        timeline, waits = self._timeline, self._timeline.waits
        if len(self.index_of) == len(timeline) and len(self.wait_index_of) == len(waits):
            return None
        sums = TimeShares(self._end - self.start, _MOST_SLICES)
        tracks: dict[tuple[int, int], int] = {}

        def add(task: int, depth: int, kind: int, start: int, end: int) -> None:
            end = self._end if end == NOT_YET else end
            track = tracks.setdefault((self._lane_of[task], depth), len(tracks))
            sums.add(track, kind, start - self.start, end - self.start)

        for row in range(len(timeline)):
            if row in self.index_of:
                continue
            task, depth = timeline.task[row], timeline.depth[row]
            times = (
                timeline.enter_started[row],
                timeline.enter_ended[row],
                timeline.exit_started[row],
                timeline.exit_ended[row],
            )
            for phase in range(3):
                if times[phase] == NOT_YET or (phase and timeline.enter_outcome[row] != Outcome.OK):
                    break
                # The exit of a task group waits for its children: it is no cleanup.
                kind = 1 if phase == 2 and timeline.is_group(timeline.resource[row]) else phase
                add(task, depth, kind, times[phase], times[phase + 1])
        for wait in range(len(waits)):
            if wait not in self.wait_index_of:
                add(waits.task[wait], 0, 3, waits.started[wait], waits.ended[wait])
        slices = list(sums.shares())
        columns = {
            "track": [track for track, _, _ in slices],
            "slice": [slice_ for _, slice_, _ in slices],
            **{
                name: [shares[kind] for _, _, shares in slices]
                for kind, name in enumerate(("waited", "held", "cleaned", "awaited"))
            },
        }
        return {"width": sums.width, "tracks": list(tracks), "slices": packed(columns)}


def short(text: str) -> str:
    """Return ``text`` without control characters, and not much longer than a screen."""
    if len(text) > _MAX_TEXT:
        text = f"{text[:_MAX_TEXT]}… (+{len(text) - _MAX_TEXT} characters)"
    return plain(text)


def _lengths(starts: Sequence[int], ends: Sequence[int]) -> list[int]:
    """Return the ns between both times, -1 where there is no end."""
    return [
        _NEVER if end == NOT_YET else max(0, end - start)
        for start, end in zip(starts, ends, strict=True)
    ]


def _resource(timeline: Timeline, resource: int) -> list[Any]:
    known = timeline.resources.get(resource)
    if known is None:
        return [resource_name(timeline, resource), "manager", None]
    return [short(known.name), short(known.kind), known.capacity]


def _site(timeline: Timeline, site: int) -> str:
    known = timeline.sites.get(site)
    # The name of the file alone: the page is for a colleague, whose folders are others.
    return f"{short(PurePath(known.file).name)}:{known.line}" if known else ""
