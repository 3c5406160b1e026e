"""``asyncctx-trace report``: print what a recording tells."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from asyncctx_trace_tui.cli.gates import FAILED, gate_options, say_shut

if TYPE_CHECKING:
    from asyncctx_trace.analysis.findings import Thresholds
    from asyncctx_trace.analysis.gates import Gates
    from asyncctx_trace.analysis.selection import Piece
    from asyncctx_trace.analysis.timeline import Timeline
    from asyncctx_trace.recording.format import Anchor
    from asyncctx_trace.sources import Followed

__all__ = ["command", "print_report"]

_SORTS = ("wait", "max", "avg", "contended", "hold", "cleanup", "acquisitions", "name")
_FORMATS = ("text", "json", "markdown")
_PIECE = 64
"""Segments read at a time: some 2 MB."""


def _time(ctx: click.Context, param: click.Parameter, value: str | None) -> int | time | None:
    """ns from the start, or a time of day."""
    from asyncctx_trace.analysis.words import parse_duration

    if value is None:
        return None
    if ":" in value:
        try:
            return time.fromisoformat(value)
        except ValueError:
            words = f"{value!r} is not a time of day; use for example 15:04 or 15:04:05"
            raise click.BadParameter(words, ctx, param) from None
    try:
        return parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


def _thresholds(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> Thresholds:
    from asyncctx_trace.analysis.findings import Thresholds

    try:
        return Thresholds.parse(values)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


@click.command("report")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "format_",
    type=click.Choice(_FORMATS),
    default="text",
    show_default=True,
    help="Text for people, JSON for programs (docs/report-json.md), Markdown for pull requests.",
)
@click.option(
    "--sort",
    type=click.Choice(_SORTS),
    default="wait",
    show_default=True,
    help="Sort resources by total, longest or average wait, contended acquisitions, …",
)
@click.option(
    "--by",
    type=click.Choice(("site", "task")),
    default="site",
    show_default=True,
    help="Charge waits to the sites, or to the tasks, that held the resource.",
)
@click.option("--full", is_flag=True, help="Show everything, not only what fits on a screen.")
@click.option(
    "--task",
    "tasks",
    multiple=True,
    metavar="NAME",
    help="Only tasks with this name; `*` matches anything.",
)
@click.option(
    "--resource", "resources", multiple=True, metavar="NAME", help="Only resources with this name."
)
@click.option(
    "--since",
    callback=_time,
    metavar="TIME",
    help="Ignore what ended before this time: `1.5s` after the start, or `15:04:05`.",
)
@click.option(
    "--until",
    callback=_time,
    metavar="TIME",
    help="Ignore everything after this time: `90s` after the start, or `15:04`.",
)
@click.option(
    "--threshold",
    "thresholds",
    multiple=True,
    callback=_thresholds,
    metavar="NAME=TIME",
    help="Report what takes longer, such as slow-cleanup=50ms; also held-across-wait, "
    "starved-pool, still-waiting.",
)
@gate_options
def command(
    file: Path,
    format_: str,
    sort: str,
    by: str,
    full: bool,
    tasks: tuple[str, ...],
    resources: tuple[str, ...],
    since: int | time | None,
    until: int | time | None,
    thresholds: Thresholds,
    gates: Gates | None,
) -> None:
    """Print a report on the recording FILE: the culprit, the findings, who kept whom waiting.

    FILE may also be OTLP JSON Lines, from `export` or another tool; - reads standard input.

    The report takes about 50 lines. It says how much is left out; --full shows everything.
    """
    shut = print_report(
        file,
        sys.stdout,
        gates=gates,
        format_=format_,
        sort=sort,
        by=by,
        full=full,
        tasks=tasks,
        resources=resources,
        since=since,
        until=until,
        thresholds=thresholds,
    )
    say_shut(shut)
    sys.exit(FAILED if shut else 0)


def print_report(
    file: Path,
    out: TextIO | None,
    *,
    gates: Gates | None = None,
    format_: str = "text",
    sort: str = "wait",
    by: str = "site",
    full: bool = False,
    tasks: tuple[str, ...] = (),
    resources: tuple[str, ...] = (),
    since: int | time | None = None,
    until: int | time | None = None,
    thresholds: Thresholds | None = None,
) -> list[str]:
    """Write the report on the recording ``file`` to ``out``, with colours on a terminal.

    Returns a line for each of ``gates`` that is shut; without ``out`` that is all it does. Raises
    RecordingError.
    """
    from asyncctx_trace.analysis.case import Case
    from asyncctx_trace.analysis.report import report

    if since is None and until is None:
        timeline, running, anchor = _read(file)
    else:
        timeline, running, anchor = _read_between(file, since, until)
    told = report(
        Case(timeline, running=running),
        thresholds=thresholds,
        budgets=gates.budgets if gates else (),
        tasks=tasks,
        resources=resources,
        sort=sort,
        anchor=anchor,
    )
    if out is not None:
        if format_ == "json":
            from asyncctx_trace_tui.reports.json_format import render_json

            text = render_json(told, str(file))
        elif format_ == "markdown":
            from asyncctx_trace_tui.reports.markdown import render_markdown

            text = render_markdown(told)
        else:
            from asyncctx_trace_tui.reports.tables import screen_width, wants_color
            from asyncctx_trace_tui.reports.text import render_report

            text = render_report(
                told, color=wants_color(out), width=screen_width(out), by=by, full=full
            )
        click.echo(text, file=out, nl=False)
    return gates.shut(told) if gates else []


def _read(file: Path) -> tuple[Timeline, bool, Anchor]:
    """What ``file`` tells, whether more may come, and what turns its times into those of day."""
    from asyncctx_trace.analysis.timeline import Timeline
    from asyncctx_trace.sources import follow

    timeline = Timeline()
    with closing(follow(file)) as source:
        for piece in _pieces(source):
            timeline.extend(piece)
        return timeline, source.alive, source.anchor


def _read_between(
    file: Path, since: int | time | None, until: int | time | None
) -> tuple[Timeline, bool, Anchor]:
    """The same of the time between two moments, in ns from the start."""
    from asyncctx_trace.analysis.selection import between
    from asyncctx_trace.sources import follow

    with closing(follow(file)) as source:
        timeline, more = between(
            _pieces(source),
            since if isinstance(since, int) else None,
            until if isinstance(until, int) else None,
            since_at=_at(source.anchor, since) if isinstance(since, time) else None,
            until_at=_at(source.anchor, until) if isinstance(until, time) else None,
        )
        return timeline, more or source.alive, source.anchor


def _at(anchor: Anchor, clock: time) -> int:
    """The monotonic time at which it was ``clock`` first in the recording, in local time."""
    began = datetime.fromtimestamp(anchor.wall_ns / 1e9)
    then = datetime.combine(began.date(), clock)
    if then < began.replace(microsecond=0):
        then += timedelta(days=1)
    return anchor.monotonic_ns + round(then.timestamp() * 1e9) - anchor.wall_ns


def _pieces(source: Followed) -> Iterator[Piece]:
    """Piece by piece: of a large recording no more is in memory than what becomes of it."""
    yield source.poll(_PIECE)
    while source.behind:
        yield source.poll(_PIECE)
