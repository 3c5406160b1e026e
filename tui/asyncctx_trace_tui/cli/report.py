"""``asyncctx-trace report``: print a report on a recording."""

from __future__ import annotations

import sys
from datetime import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from asyncctx_trace_tui.cli.check_options import FAILED, check_options, print_failed_checks
from asyncctx_trace_tui.cli.duration_option import DURATION
from asyncctx_trace_tui.cli.report_printing import print_report

if TYPE_CHECKING:
    from asyncctx_trace.analysis.findings import Thresholds
    from asyncctx_trace.analysis.summary.checks import Checks

__all__ = ["command"]

_SORTS = ("wait", "max", "avg", "contended", "hold", "cleanup", "acquisitions", "name")
_FORMATS = ("text", "json", "markdown")


def _time(ctx: click.Context, param: click.Parameter, value: str | None) -> int | time | None:
    """Parse ``--since`` and ``--until``: ns from the start, or a time of day."""
    if value is None:
        return None
    if ":" in value:
        try:
            hours, colon, rest = value.partition(":")
            return time.fromisoformat(f"{hours:0>2}{colon}{rest}")
        except ValueError:
            message = f"{value!r} is not a time of day; use for example 15:04 or 15:04:05"
            raise click.BadParameter(message, ctx, param) from None
    return DURATION.convert(value, param, ctx)


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
    help="Attribute waits to the sites, or to the tasks, that held the resource.",
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
    help="Threshold of a finding, such as slow-cleanup=50ms; also held-across-wait, "
    "starved-pool, still-waiting.",
)
@click.option(
    "--what-if",
    "changes",
    multiple=True,
    is_flag=False,
    flag_value="",
    metavar="[CHANGE]",
    help="Foretell the waits with something changed: `db pool=20`, `shop.py:70*0.5` (hold times), "
    "`lock removed`, `lock split 8`, `arrivals*2`. Can be repeated; without a value, rank the "
    "obvious changes. Exits with 1 if the recording does not allow it.",
)
@check_options
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
    changes: tuple[str, ...],
    checks: Checks | None,
) -> None:
    """Print a report on the recording FILE: the verdict, the findings, who waited for whom.

    FILE may also contain OTLP JSON Lines, from `export` or another tool; - is standard input.

    The report fits on a screen of 50 lines and counts what it leaves out; --full shows everything.
    """
    if changes:
        from asyncctx_trace_tui.cli.what_if_printing import print_what_if

        known = print_what_if(file, sys.stdout, changes, format_, since, until)
        sys.exit(0 if known else FAILED)
    failed = print_report(
        file,
        sys.stdout,
        checks=checks,
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
    print_failed_checks(failed)
    sys.exit(FAILED if failed else 0)
