"""``asyncctx-trace report``: print what a recording tells."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from asyncctx_trace_tui.commands.gates import FAILED, gate_options, say_shut

if TYPE_CHECKING:
    from asyncctx_trace.analysis.findings import Thresholds
    from asyncctx_trace.analysis.gates import Gates
    from asyncctx_trace.analysis.selection import Piece
    from asyncctx_trace.analysis.timeline import Timeline
    from asyncctx_trace.export.sources import Followed
    from asyncctx_trace.recording.format import Anchor

__all__ = ["command", "print_report"]

_SORTS = ("wait", "max", "avg", "contended", "hold", "cleanup", "acquisitions", "name")
_FORMATS = ("text", "json", "markdown")
_PIECE = 64
"""Segments read at a time: some 2 MB."""


def _time(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    from asyncctx_trace.analysis.words import parse_duration

    try:
        return None if value is None else parse_duration(value)
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
    help="For people, for programs (docs/report-json.md), or for a pull request.",
)
@click.option(
    "--sort",
    type=click.Choice(_SORTS),
    default="wait",
    show_default=True,
    help="What the resources are sorted by: total, longest or average wait, …",
)
@click.option(
    "--by",
    type=click.Choice(("site", "task")),
    default="site",
    show_default=True,
    help="Charge the time of waiters to the sites, or to the tasks, that held.",
)
@click.option("--full", is_flag=True, help="Show everything, not only what fits on a screen.")
@click.option("--task", "tasks", multiple=True, metavar="NAME", help="Only these tasks (`*`: any).")
@click.option(
    "--resource", "resources", multiple=True, metavar="NAME", help="Only these resources."
)
@click.option(
    "--since", callback=_time, metavar="TIME", help="From then on: `1.5s` after the start."
)
@click.option("--until", callback=_time, metavar="TIME", help="Up to then: `90s` after the start.")
@click.option(
    "--threshold",
    "thresholds",
    multiple=True,
    callback=_thresholds,
    metavar="NAME=TIME",
    help="Tell from there on, such as slow-cleanup=50ms; also held-across-wait, starved-pool, "
    "still-waiting.",
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
    since: int | None,
    until: int | None,
    thresholds: Thresholds,
    gates: Gates | None,
) -> None:
    """Print what the recording FILE tells: who held, who waited, what cleaned up, what never did.

    FILE may also be OTLP JSON Lines, from `export` or anybody else; - for standard input.

    First the verdict, then the findings, the gravest first, then the tables.
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
    since: int | None = None,
    until: int | None = None,
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
    from asyncctx_trace.export.sources import follow

    timeline = Timeline()
    with closing(follow(file)) as source:
        for piece in _pieces(source):
            timeline.extend(piece)
        return timeline, source.alive, source.anchor


def _read_between(
    file: Path, since: int | None, until: int | None
) -> tuple[Timeline, bool, Anchor]:
    """The same of the time between two moments, in ns from the start."""
    from asyncctx_trace.analysis.selection import between
    from asyncctx_trace.export.sources import follow

    with closing(follow(file)) as source:
        timeline, more = between(_pieces(source), since, until)
        return timeline, more or source.alive, source.anchor


def _pieces(source: Followed) -> Iterator[Piece]:
    """Piece by piece: of a large recording no more is in memory than what becomes of it."""
    yield source.poll(_PIECE)
    while source.behind:
        yield source.poll(_PIECE)
