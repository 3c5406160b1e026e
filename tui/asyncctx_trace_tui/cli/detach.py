"""``asyncctx-trace detach``: end the recording of a program that was attached to."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command("detach")
@click.argument("pid", type=click.IntRange(min=1))
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="Give up if the program has not answered.",
)
def command(pid: int, timeout: float) -> None:
    """End the recording of the running process PID, and leave the program as it was.

    `attach` does this itself when it ends, unless it was killed.
    """
    from asyncctx_trace_tui.run.attached import detach

    recording = detach(pid, timeout)
    click.echo(f"process {pid} was not recorded" if recording is None else f"detached; {recording}")
