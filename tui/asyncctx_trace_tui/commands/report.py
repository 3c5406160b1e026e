"""``asyncctx-trace report``: print what a recording tells."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TextIO

import click

__all__ = ["command", "print_report"]


@click.command("report")
@click.argument("file", type=click.Path(path_type=Path))
def command(file: Path) -> None:
    """Print what the recording FILE tells: who held, who waited, in which order."""
    print_report(file, sys.stdout)


def print_report(file: Path, out: TextIO) -> None:
    """Write the report on the recording ``file`` to ``out``; with colours on a terminal."""
    from asyncctx_trace.analysis.timeline import Timeline
    from asyncctx_trace.recording.reader import read
    from asyncctx_trace_tui.reports.text import render_text

    color = out.isatty() and "NO_COLOR" not in os.environ
    click.echo(render_text(Timeline(read(file)), color=color), file=out, nl=False)
