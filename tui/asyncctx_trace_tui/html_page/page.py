"""Write a recording as one HTML page that loads nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from asyncctx_trace.analysis.contention.wakeups import wakeups
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.grouping import FindingGroup
from asyncctx_trace.analysis.summary.overview.assemble import overview_of
from asyncctx_trace.analysis.summary.overview.model import Item, Overview
from asyncctx_trace.analysis.summary.overview.wording import describe_health, describe_history
from asyncctx_trace.analysis.summary.report import report
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.command_line import program_of
from asyncctx_trace.recording.format import Anchor
from asyncctx_trace_tui.html_page.contents import Contents, short
from asyncctx_trace_tui.html_page.lanes import lanes_of
from asyncctx_trace_tui.view.results.report_tables import TABLES, Line, ReportTable

__all__ = ["write"]

_ASSETS = Path(__file__).with_name("assets")
_SCRIPTS = ("decode", "timeline", "words", "drawing", "panels", "input")
"""The parts of the page's script, in order."""
_MOST_LINES = 200
"""The number of findings, and of lines of each table."""


def write(
    timeline: Timeline,
    *,
    running: bool = False,
    arguments: bool = False,
    anchor: Anchor | None = None,
) -> Iterator[str]:
    """Yield the page in chunks: verdict, timeline, findings, tables of the report, output.

    Everything is determined before the first chunk. Text of the recording is data, never markup.

    Args:
        timeline: The recording; times on the page are ns since its first event.
        running: Whether the program may go on, so that what has not ended may still end.
        arguments: Whether the title includes the program's arguments, which may contain secrets.
        anchor: Converts times to the time of day; without it, the page shows none.
    """
    snapshot = Snapshot(timeline, running=running)
    groups = snapshot.once(report).groups
    rows_of = {id(group): list(_rows(snapshot, group)) for group in groups}
    important = chain.from_iterable(rows_of.values())
    contents = Contents(timeline, lanes_of(timeline), important, dict(wakeups(snapshot)))
    title = program_of(timeline.processes.values(), arguments=arguments)
    data = {
        "title": short(title),
        "clock": None if anchor is None else anchor.wall(contents.start) / 1e6,
        **_overview(contents, overview_of(snapshot)),
        "findings": [
            _finding(contents, group, rows_of[id(group)]) for group in groups[:_MOST_LINES]
        ],
        "moreFindings": max(0, len(groups) - _MOST_LINES),
        "tables": [_table(contents, snapshot, table) for table in TABLES],
    }
    page = _asset("page.html")
    style, script = _asset("page.css"), "\n".join(_asset(f"{name}.js") for name in _SCRIPTS)
    head, tail = page.replace("/*STYLE*/", style).replace("/*SCRIPT*/", script).split("/*DATA*/")
    return chain([head], _json(data | contents.as_dict()), [tail])


def _rows(snapshot: Snapshot, group: FindingGroup) -> Iterator[int]:
    """Yield the rows of the findings in ``group``, the worst finding first."""
    # A report on an interrupted program is about the time before, and has rows of its own.
    old = snapshot.once(report).snapshot.rows
    for finding in group.findings:
        for row in finding.rows:
            yield row if old is None else old[row]


def _overview(contents: Contents, shown: Overview) -> dict[str, Any]:
    """Return the verdict, how the program is, and what cost most time."""
    return {
        "verdict": [short(sentence) for sentence in shown.opening],
        "health": describe_health(shown.health, running=shown.running),
        "items": [_item(contents, item) for item in shown.items],
        "moreItems": shown.more,
    }


def _item(contents: Contents, item: Item) -> dict[str, Any]:
    return {
        "severity": item.severity,
        "title": short(item.title),
        "sentence": short(item.sentence),
        "remedy": short(item.remedy),
        "history": item.history,
        "historyOf": describe_history(item),
        "at": contents.at(item.at),
        "row": -1 if item.row is None else contents.index_of.get(item.row, -1),
        "resource": -1 if item.resource is None else contents.resource_index(item.resource),
    }


def _finding(contents: Contents, group: FindingGroup, rows: Iterable[int]) -> list[Any]:
    """Return the worst finding of ``group``: time, severity, kind, sentence, index of a row."""
    worst = group.findings[0]
    row = next((contents.index_of[row] for row in rows if row in contents.index_of), -1)
    kind = group.kind if group.certainty == "certain" else f"possible {group.kind}"
    return [contents.at(worst.at), group.severity, kind, short(group.sentence), row]


def _table(contents: Contents, snapshot: Snapshot, table: ReportTable) -> dict[str, Any]:
    """Return headings, and lines of values to sort by, their text, and where each line leads."""
    lines = table.lines(snapshot)
    shown = table.columns.values()
    return {
        "title": table.title,
        "columns": list(table.columns),
        "lines": [
            [
                [short(value) if isinstance(value, str) else value for value in line.values],
                [show(value) for show, value in zip(shown, line.values, strict=True)],
                *_place(contents, line),
            ]
            for line in lines[:_MOST_LINES]
        ],
        "more": max(0, len(lines) - _MOST_LINES),
    }


def _place(contents: Contents, line: Line) -> tuple[int, int, int]:
    """Return time, and indexes of the resource and the wait that ``line`` leads to, -1 for none."""
    return (
        -1 if line.at is None else contents.at(line.at),
        -1 if line.resource is None else contents.resource_index(line.resource),
        -1 if line.wait is None else contents.wait_index_of.get(line.wait, -1),
    )


def _json(value: dict[str, Any]) -> Iterator[str]:
    # "<" is written as an escape: no text can end the script element.
    for number, (name, part) in enumerate(value.items()):
        text = json.dumps(part, separators=(",", ":")).replace("<", "\\u003c")
        yield ("," if number else "{") + f'"{name}":{text}'
    yield "}"


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text("utf-8")
