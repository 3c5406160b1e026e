"""``asyncctx-trace attach``: look at a program that is running already."""

from __future__ import annotations

import json
import sys

import click

from asyncctx_trace_tui.cli.output_file import open_output

__all__ = ["command"]

FOUND = 1
"""The exit code of ``--snapshot`` if there is a deadlock."""


@click.command("attach")
@click.argument("pid", type=click.IntRange(min=1))
@click.option(
    "--snapshot",
    is_flag=True,
    help="Print who holds and who waits now, and change nothing in the program.",
)
@click.option("-o", "--output", default="-", metavar="FILE", help="Write to FILE.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="Text for people, JSON for programs.",
)
@click.option("--full", is_flag=True, help="Show everything, not only what fits on a screen.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="Give up if the program has not answered.",
)
def command(
    pid: int, snapshot: bool, output: str, format_: str, full: bool, timeout: float
) -> None:
    """Look at the running process PID: who holds what, who waits for it, and is it a deadlock.

    From Python 3.14 on this works for every program of yours; an older one must have been started
    with ASYNCCTX_TRACE_LISTEN=1, or have called asyncctx_trace.listen().

    The exit code is 1 if there is a deadlock.
    """
    del snapshot
    sys.exit(_print_snapshot(pid, output, format_, full, timeout))


def _print_snapshot(pid: int, output: str, format_: str, full: bool, timeout: float) -> int:
    from asyncctx_trace.attach.picture import Picture
    from asyncctx_trace.attach.snapshot import read_remote_state
    from asyncctx_trace.attach.target import find_target
    from asyncctx_trace.attach.verdict import rings_of
    from asyncctx_trace_tui.reports.rich_tables import draw, screen_width, wants_color
    from asyncctx_trace_tui.reports.snapshot_json import snapshot_json
    from asyncctx_trace_tui.reports.snapshot_text import snapshot_text

    target = find_target(pid)
    picture = Picture(read_remote_state(target, timeout), target.root)
    rings = rings_of(picture, pid)
    with open_output(output) as out:
        if format_ == "json":
            json.dump(snapshot_json(picture, rings, pid), out, indent=2)
            out.write("\n")
        else:
            width = screen_width(out)
            parts = snapshot_text(picture, rings, pid, full=full, width=width)
            out.write(draw(parts, color=wants_color(out), width=width))
    return FOUND if rings else 0
