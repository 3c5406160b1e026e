"""Print a report: shared by ``report`` and by ``run``, which prints one at the end."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

if TYPE_CHECKING:
    from asyncctx_trace.analysis.findings import Thresholds
    from asyncctx_trace.analysis.summary.checks import Checks
    from asyncctx_trace.analysis.summary.report import Report

__all__ = ["print_report"]


def print_report(
    file: Path,
    out: TextIO | None,
    *,
    checks: Checks | None = None,
    format_: str = "text",
    sort: str = "wait",
    by: str = "site",
    full: bool = False,
    tasks: tuple[str, ...] = (),
    resources: tuple[str, ...] = (),
    since: int | time | None = None,
    until: int | time | None = None,
    thresholds: Thresholds | None = None,
    pid: int | None = None,
) -> list[str]:
    """Write the report on the recording ``file`` to ``out``, in color on a terminal.

    ``pid`` is a process without which the recording is not complete.

    ``since`` and ``until`` are ns from the start or local times of day; ``tasks`` and
    ``resources`` are name patterns. Without ``out``, only evaluate ``checks``. Returns one line
    per failed check. Raises RecordingError or OSError.
    """
    from asyncctx_trace.analysis.snapshot import Snapshot
    from asyncctx_trace.analysis.summary.report import report
    from asyncctx_trace_tui.reports.loading import load_recording

    loaded = load_recording(file, since, until)
    result = report(
        Snapshot(loaded.timeline, running=loaded.running),
        thresholds=thresholds,
        budgets=checks.budgets if checks else (),
        tasks=tasks,
        resources=resources,
        sort=sort,
        anchor=loaded.anchor,
    )
    if out is not None:
        text = _render(result, file, out, format_, by=by, full=full)
        # Colors are decided on already: click would remove them from a pipe despite FORCE_COLOR.
        click.echo(text, file=out, nl=False, color=True)
    if not checks:
        return []
    failed = checks.failures(result)
    recorded = {process.pid for process in loaded.timeline.processes.values()}
    if pid is not None and pid not in recorded and not failed:
        failed = [f"check failed: the evidence is incomplete: process {pid} was not recorded"]
    return failed


def _render(report: Report, file: Path, out: TextIO, format_: str, *, by: str, full: bool) -> str:
    match format_:
        case "json":
            from asyncctx_trace_tui.reports.json_report import render_json

            return render_json(report, str(file))
        case "markdown":
            from asyncctx_trace_tui.reports.markdown_report import render_markdown

            return render_markdown(report)
        case _:
            from asyncctx_trace_tui.reports.rich_tables import screen_width, wants_color
            from asyncctx_trace_tui.reports.text_report import render_report

            color, width = wants_color(out), screen_width(out)
            return render_report(report, color=color, width=width, by=by, full=full)
