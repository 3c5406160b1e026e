"""``asyncctx-trace replay``: play a recording in the app."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from asyncctx_trace.errors import AsyncctxTraceError

__all__ = ["command"]


@click.command(options_metavar="[OPTIONS]")
@click.argument("recording", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True, max=100_000),
    default=1.0,
    metavar="X",
    show_default=True,
    help="Playback speed: 2 is twice as fast as the program ran, 0.5 is half as fast.",
)
def command(recording: Path, speed: float) -> None:
    """Play the recording FILE in the app, from its start.

    If a program still writes to FILE, the app follows it. FILE may also contain OTLP JSON Lines; -
    is standard input.
    """
    piped = str(recording) == "-"
    served = "TEXTUAL_DRIVER" in os.environ  # set by textual-serve: the terminal is a browser
    if not served and not ((piped or sys.stdin.isatty()) and sys.stdout.isatty()):
        raise AsyncctxTraceError(
            f"the app needs a terminal; without one, use `asyncctx-trace report {recording}`"
        )
    from asyncctx_trace_tui.app.application import TraceApp
    from asyncctx_trace_tui.run.termination import Termination
    from asyncctx_trace_tui.storage.app_settings import load

    with Termination(has_program=False) as termination:
        # Whoever watches in a browser changes nothing on this machine.
        settings = load() if served else None
        app = TraceApp(recording, speed=speed, settings=settings, termination=termination)
        if piped:  # standard input has been read to its end: take the keys from the terminal
            os.dup2(os.open("/dev/tty", os.O_RDWR), sys.stdin.fileno())
        app.run()
    sys.exit(app.return_code or 0)
