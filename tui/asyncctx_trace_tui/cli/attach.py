"""``asyncctx-trace attach``: look at a program that is running already."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from asyncctx_trace.runtime.redaction_setting import redaction_is_set
from asyncctx_trace_tui.cli.output_file import new_recording, open_output, require_folder

if TYPE_CHECKING:
    from asyncctx_trace_tui.run.attached import Attached

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
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Record to FILE (default: a new file in your state folder); with --snapshot: print to it.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="With --snapshot: text for people, JSON for programs.",
)
@click.option("--full", is_flag=True, help="With --snapshot: everything, not only one screen.")
@click.option(
    "--headless",
    is_flag=True,
    help="Record without the app, and print deadlocks when they are found, until Ctrl-C.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="With --headless: detach after N seconds.",
)
@click.option("--keep", metavar="SIZE|TIME", help="Limit the recording to its newest part.")
@click.option("--include", multiple=True, metavar="NAMES", help="Trace these modules as well.")
@click.option(
    "--redact", is_flag=True, help="Keep arguments, messages and literals out of the recording."
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="Give up if the program has not answered.",
)
def command(
    pid: int,
    snapshot: bool,
    output: str | None,
    format_: str,
    full: bool,
    headless: bool,
    seconds: float | None,
    keep: str | None,
    include: tuple[str, ...],
    redact: bool,
    timeout: float,
) -> None:
    """Record the running process PID, and show it in the app, until you quit.

    What it holds and waits for already is shown, too. When you quit, the program runs on as it was.
    With --snapshot nothing is recorded, and the exit code is 1 if there is a deadlock.

    From Python 3.14 on this works for every program of yours; an older one must have been started
    with ASYNCCTX_TRACE_LISTEN=1, or have called asyncctx_trace.listen().
    """
    if snapshot:
        sys.exit(_print_snapshot(pid, output or "-", format_, full, timeout))
    if seconds is not None and not headless:
        raise click.UsageError("--seconds needs --headless")
    if not headless and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError(
            "the app needs a terminal; without one, use --headless or --snapshot"
        )
    options: dict[str, object] = {
        "keep": keep,
        "redact": redact or redaction_is_set(),
        "include": [name for value in include for name in value.split(",") if name],
    }
    _record(pid, output, options, headless, seconds, timeout)


def _record(
    pid: int,
    output: str | None,
    options: dict[str, object],
    headless: bool,
    seconds: float | None,
    timeout: float,
) -> None:
    from asyncctx_trace.attach.target import find_target
    from asyncctx_trace_tui.run.attached import Attached, watch

    target = find_target(pid)
    recording = Path(output) if output else new_recording(f"attached-{pid}")
    if output:
        require_folder(recording)
    with Attached(target, recording, options, timeout) as attached:
        click.echo(
            f"attached to process {pid}: {attached.held} acquisitions and {attached.waits} waits "
            "were open before",
            err=True,
        )
        if headless:
            watch(attached, seconds)
        else:
            _show(attached)
    click.echo(f"detached; recording: {recording}", err=True)


def _show(attached: Attached) -> None:
    from asyncctx_trace_tui.app.application import TraceApp
    from asyncctx_trace_tui.run.termination import Termination

    # Detached also when the terminal closes, even if the app does not end then.
    with Termination(has_program=True) as termination:
        termination.program_started(attached)
        TraceApp(attached.recording, termination=termination).run()


def _print_snapshot(pid: int, output: str, format_: str, full: bool, timeout: float) -> int:
    from asyncctx_trace.attach.commands import read_remote_state
    from asyncctx_trace.attach.picture import Picture
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
