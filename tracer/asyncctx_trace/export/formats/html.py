"""Write a recording as one HTML page that loads nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path, PurePath
from typing import Any

from asyncctx_trace.analysis.contention.wakeups import wakeups
from asyncctx_trace.analysis.findings import Thresholds, find_in
from asyncctx_trace.analysis.loop_stalls import describe_line, stalls_of
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.grouping import FindingGroup, group_findings
from asyncctx_trace.analysis.timeline.table import NOT_YET, Phase, Timeline
from asyncctx_trace.analysis.wait_subjects import describe_subject
from asyncctx_trace.model.command_line import program_of
from asyncctx_trace.model.names import resource_name, site_name, task_name
from asyncctx_trace.model.text import plain
from asyncctx_trace.model.waits import WaitKind

__all__ = ["write"]

_PHASES: tuple[Phase, ...] = ("enter", "body", "exit")
_BY_THEMSELVES = (WaitKind.SLEEP, WaitKind.IO, WaitKind.THREAD)
"""Waits that no task of the program has to end."""
_PATH = 32
"""The largest width of a path, in cells."""
_ROWS_PER_CHUNK = 2_000
_MAX_TEXT = 2_000
"""Characters of a name or message; the rest is cut off."""


def write(timeline: Timeline, *, running: bool = False, arguments: bool = False) -> Iterator[str]:
    """Yield the page in chunks: the timeline, zoomable, with findings and output.

    Findings are determined before the first chunk. Text of the recording is data, never markup.

    Args:
        timeline: The recording; times on the page are ns since its first event.
        running: Whether the program may go on, so that what has not ended may still end.
        arguments: Whether the title includes the program's arguments, which may contain secrets.
    """
    snapshot = Snapshot(timeline, running=running)
    start = timeline.start or 0
    title = program_of(timeline.processes.values(), arguments=arguments)
    data = {
        "title": _short(title),
        "wakeups": dict(wakeups(snapshot)),
        "findings": [
            _finding(group, start)
            for group in group_findings(snapshot, find_in(snapshot, Thresholds()))
        ],
    }
    head, tail = Path(__file__).with_name("page.html").read_text("utf-8").split("/*DATA*/")
    return chain([head], _Data(timeline, start).json(data), [tail])


def _finding(group: FindingGroup, start: int) -> list[Any]:
    """Return the worst finding of ``group``: time, severity, kind, sentence, acquisition."""
    worst = group.findings[0]
    row = worst.rows[0] if worst.rows else None
    return [worst.at - start, group.severity, group.kind, group.sentence, row]


class _Data:
    """The data of the page; ids of tasks, resources and sites are replaced with indexes."""

    def __init__(self, timeline: Timeline, start: int) -> None:
        self._timeline = timeline
        self._start = start
        waits = timeline.waits
        firsts = {task: waits.started[rows[0]] for task, rows in waits.rows_of_task.items()}
        for task, rows in timeline.rows_of_task.items():
            first = timeline.enter_started[rows[0]]
            firsts[task] = min(first, firsts.get(task, first))
        order = sorted(firsts, key=lambda task: (firsts[task], task))
        self._tasks = {task: index for index, task in enumerate(order)}
        self._texts: dict[str, int] = {}
        """What is waited for -> its index."""
        self._resources = {each: index for index, each in enumerate(timeline.rows_of_resource)}
        self._sites = {site: index for index, site in enumerate(dict.fromkeys(timeline.site))}

    def json(self, data: dict[str, Any]) -> Iterator[str]:
        """Yield one JSON object with ``data`` and the timeline, in chunks."""
        for number, (name, value) in enumerate((data | self._definitions()).items()):
            yield ("," if number else "{") + f'"{name}":{_json(value)}'
        yield ',"rows":['
        for first in range(0, len(self._timeline), _ROWS_PER_CHUNK):
            rows = range(first, min(first + _ROWS_PER_CHUNK, len(self._timeline)))
            yield ("," if first else "") + _json([self._row(row) for row in rows])[1:-1]
        yield '],"waits":['
        for first in range(0, len(self._timeline.waits), _ROWS_PER_CHUNK):
            waits = range(first, min(first + _ROWS_PER_CHUNK, len(self._timeline.waits)))
            yield ("," if first else "") + _json([self._wait(wait) for wait in waits])[1:-1]
        yield f'],"texts":{_json(list(self._texts))}}}'

    def _definitions(self) -> dict[str, Any]:
        """Return everything but the acquisitions."""
        timeline, start = self._timeline, self._start
        return {
            "end": (timeline.end or start) - start,
            "tasks": [_task(timeline, task, start) for task in self._tasks],
            "resources": [_resource(timeline, resource) for resource in self._resources],
            "sites": [_site(timeline, site) for site in self._sites],
            "errors": {
                f"{row}.{_PHASES.index(phase)}": _short(f"{error.type}: {error.message}")
                for (row, phase), error in timeline.errors.items()
            },
            "printed": [[p.at - start, p.stream, _short(p.text)] for p in timeline.printed],
            "stalls": [
                [
                    stall.since - start,
                    stall.until - start,
                    self._tasks.get(stall.started.task or 0, -1),
                    _short(describe_line(timeline, stall.started, _PATH)),
                ]
                for stall in stalls_of(timeline, timeline.end or start)
            ],
            "dropped": sum(dropped.acquisitions for dropped in timeline.dropped),
        }

    def _wait(self, wait: int) -> list[int]:
        """Return task, start, end, text, who ended it, outcome, and whether it ends by itself."""
        timeline = self._timeline
        waits = timeline.waits
        place = site_name(timeline, waits.site[wait])
        text = _short(describe_subject(timeline, wait) + (f" at {place}" if place else ""))
        ended = waits.ended[wait]
        return [
            self._tasks[waits.task[wait]],
            waits.started[wait] - self._start,
            ended if ended == NOT_YET else ended - self._start,
            self._texts.setdefault(text, len(self._texts)),
            self._tasks.get(waits.woken_by[wait], -1),
            waits.outcome[wait],
            int(waits.kind[wait] in _BY_THEMSELVES),
        ]

    def _row(self, row: int) -> list[int]:
        timeline = self._timeline
        times = (
            timeline.enter_started[row],
            timeline.enter_ended[row],
            timeline.exit_started[row],
            timeline.exit_ended[row],
        )
        return [
            self._tasks[timeline.task[row]],
            self._resources[timeline.resource[row]],
            self._sites[timeline.site[row]],
            timeline.depth[row],
            *(at if at == NOT_YET else at - self._start for at in times),
            timeline.enter_outcome[row],
            timeline.body_outcome[row],
            timeline.exit_outcome[row],
            timeline.suppressed[row],
        ]


def _json(value: object) -> str:
    # "<" is written as an escape: no text can end the script element.
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _task(timeline: Timeline, task: int, start: int) -> list[Any]:
    known = timeline.tasks.get(task)
    ended = timeline.task_ended.get(task)
    name = _short(task_name(timeline, task, None))
    return [name, known.at - start if known else 0, None if ended is None else ended - start]


def _resource(timeline: Timeline, resource: int) -> list[Any]:
    known = timeline.resources.get(resource)
    if known is None:
        return [resource_name(timeline, resource), "manager", None]
    return [_short(known.name), _short(known.kind), known.capacity]


def _site(timeline: Timeline, site: int) -> str:
    known = timeline.sites.get(site)
    # The name of the file alone: the page is for a colleague, whose folders are others.
    return f"{_short(PurePath(known.file).name)}:{known.line}" if known else ""


def _short(text: str) -> str:
    if len(text) > _MAX_TEXT:
        text = f"{text[:_MAX_TEXT]}… (+{len(text) - _MAX_TEXT} characters)"
    return plain(text)
