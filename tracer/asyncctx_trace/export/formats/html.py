"""Facts -> one page for a browser that needs nothing from outside itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path, PurePath
from typing import Any

from asyncctx_trace.analysis.contention.wakeups import wakeups
from asyncctx_trace.analysis.findings import Thresholds, find_in
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET, Phase, Timeline
from asyncctx_trace.model.command_line import program_of
from asyncctx_trace.model.names import resource_name, task_name
from asyncctx_trace.model.text import plain

__all__ = ["write"]

_PHASES: tuple[Phase, ...] = ("enter", "body", "exit")
_AT_A_TIME = 2_000
"""Acquisitions in one piece of the page."""
_LONGEST = 2_000
"""Characters of a name or message that go into the page."""


def write(timeline: Timeline, *, running: bool = False) -> Iterator[str]:
    """The page in pieces: the timeline, zoomable, with findings and output beside it.

    What analysis has to say is worked out at once, before there is a first piece. Times are ns
    since the first fact. What the recording says is data, never markup. ``running`` says that
    the program may go on: then what has not ended may still end.
    """
    snapshot = Snapshot(timeline, running=running)
    found = [
        [f.at - (timeline.start or 0), f.severity, f.kind, f.summary, f.rows[0] if f.rows else None]
        for f in find_in(snapshot, Thresholds())
    ]
    answers = {"wakeups": dict(wakeups(snapshot)), "findings": found}
    head, tail = Path(__file__).with_name("page.html").read_text("utf-8").split("/*DATA*/")
    return chain([head], _data(timeline, answers), [tail])


def _data(timeline: Timeline, answers: dict[str, Any]) -> Iterator[str]:
    """One JSON object."""
    start = timeline.start or 0
    tasks = {task: number for number, task in enumerate(timeline.rows_of_task)}
    resources = {resource: number for number, resource in enumerate(timeline.rows_of_resource)}
    sites = {site: number for number, site in enumerate(dict.fromkeys(timeline.site))}
    told = _surroundings(timeline, start, tasks, resources, sites) | answers
    for number, (name, value) in enumerate(told.items()):
        yield ("," if number else "{") + f'"{name}":{_json(value)}'
    yield ',"rows":['
    for first in range(0, len(timeline), _AT_A_TIME):
        rows = range(first, min(first + _AT_A_TIME, len(timeline)))
        listed = _json([_row(timeline, row, start, tasks, resources, sites) for row in rows])
        yield ("," if first else "") + listed[1:-1]
    yield "]}"


def _json(value: object) -> str:
    # "<" is written as an escape: no text can end the script element.
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _surroundings(
    timeline: Timeline,
    start: int,
    tasks: Iterable[int],
    resources: Iterable[int],
    sites: Iterable[int],
) -> dict[str, Any]:
    """All but the acquisitions themselves."""
    return {
        "title": _short(program_of(timeline.processes.values())),
        "end": (timeline.end or start) - start,
        "tasks": [_task(timeline, task, start) for task in tasks],
        "resources": [_resource(timeline, resource) for resource in resources],
        "sites": [_site(timeline, site) for site in sites],
        "errors": {
            f"{row}.{_PHASES.index(phase)}": _short(f"{error.type}: {error.message}")
            for (row, phase), error in timeline.errors.items()
        },
        "printed": [[p.at - start, p.stream, _short(p.text)] for p in timeline.printed],
        "dropped": sum(each.acquisitions for each in timeline.dropped),
    }


def _row(
    timeline: Timeline,
    row: int,
    start: int,
    tasks: dict[int, int],
    resources: dict[int, int],
    sites: dict[int, int],
) -> list[int]:
    times = (
        timeline.enter_started[row],
        timeline.enter_ended[row],
        timeline.exit_started[row],
        timeline.exit_ended[row],
    )
    return [
        tasks[timeline.task[row]],
        resources[timeline.resource[row]],
        sites[timeline.site[row]],
        timeline.depth[row],
        *(at if at == NOT_YET else at - start for at in times),
        timeline.enter_outcome[row],
        timeline.body_outcome[row],
        timeline.exit_outcome[row],
        timeline.suppressed[row],
    ]


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
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}… (+{len(text) - _LONGEST} characters)"
    return plain(text)
