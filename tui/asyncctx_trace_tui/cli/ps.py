"""``asyncctx-trace ps``: list the programs that can be attached to."""

from __future__ import annotations

import sys

import click

__all__ = ["command"]


@click.command("ps")
@click.option("--all", "everything", is_flag=True, help="List programs that are closed, too.")
def command(everything: bool) -> None:
    """List your Python programs that are recorded, listening or attachable.

    A recorded one can be followed with `replay`; one that listens, or is attachable because its
    Python is 3.14 or newer, can be attached to.
    """
    from asyncctx_trace.attach.programs import list_programs
    from asyncctx_trace.model.text import plain
    from asyncctx_trace_tui.reports.rich_tables import draw, screen_width, table, wants_color

    found = [each for each in list_programs() if everything or each.state != "closed"]
    body = table("pid", "python", "state", "program", numbers=("pid",))
    for each in found:
        command_line = plain(" ".join(each.target.command))
        version = each.target.python.removeprefix("Python ")
        where = "" if each.recording is None else f"  → {plain(str(each.recording))}"
        body.add_row(str(each.target.pid), version, each.state, command_line + where)
    if found:
        click.echo(draw([body], color=wants_color(sys.stdout), width=screen_width(sys.stdout)))
    else:
        click.echo("no Python program of yours is recorded, listening or attachable", err=True)
