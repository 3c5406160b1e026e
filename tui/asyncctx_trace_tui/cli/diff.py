"""``asyncctx-trace diff``: compare two recordings."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from asyncctx_trace_tui.cli.check_options import FAILED

if TYPE_CHECKING:
    from asyncctx_trace.analysis.snapshot import Snapshot

__all__ = ["command"]


@click.command("diff")
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "format_",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="Text for people, JSON for programs (docs/report-json.md).",
)
@click.option(
    "--exit-code",
    is_flag=True,
    help="Exit with 1 if something became slower or there is a new finding.",
)
def command(before: Path, after: Path, format_: str, exit_code: bool) -> None:
    """Compare the recordings BEFORE and AFTER.

    Resources and sites are matched by name and source text, so lines may have moved.
    """
    from asyncctx_trace.analysis.summary.comparison import compare

    result = compare(_snapshot(before), _snapshot(after))
    if format_ == "json":
        from asyncctx_trace_tui.reports.comparison_json import render_comparison_json

        text = render_comparison_json(result, str(before), str(after))
    else:
        from asyncctx_trace_tui.reports.comparison_text import render_comparison
        from asyncctx_trace_tui.reports.rich_tables import screen_width, wants_color

        text = render_comparison(
            result, color=wants_color(sys.stdout), width=screen_width(sys.stdout)
        )
    # Colors are decided on already: click would remove them from a pipe despite FORCE_COLOR.
    click.echo(text, nl=False, color=True)
    sys.exit(FAILED if exit_code and (result.slower or result.new_findings) else 0)


def _snapshot(file: Path) -> Snapshot:
    from asyncctx_trace.analysis.snapshot import Snapshot
    from asyncctx_trace_tui.reports.loading import load_recording

    loaded = load_recording(file)
    return Snapshot(loaded.timeline, running=loaded.running)
