"""``asyncctx-trace sweep``: cancel a program wherever it suspends."""

from __future__ import annotations

import shlex
import sys
from datetime import datetime
from itertools import groupby, islice
from pathlib import Path

import click

from asyncctx_trace.experiments.sweeping import MODES, Loss, Mode, Point, Sweep
from asyncctx_trace.experiments.trial import Program
from asyncctx_trace.model.text import plain
from asyncctx_trace.steering.order import place_text
from asyncctx_trace_tui.cli.check_options import FAILED
from asyncctx_trace_tui.cli.duration_option import Duration
from asyncctx_trace_tui.run.targets import python_arguments

__all__ = ["command"]


def _modes(ctx: click.Context, param: click.Parameter, value: str) -> tuple[Mode, ...]:
    wanted = [word.strip() for word in value.split(",") if word.strip()]
    unknown = [word for word in wanted if word not in MODES]
    if unknown or not wanted:
        message = (
            f"unknown {', '.join(unknown) or 'value'}; use one or several of: {', '.join(MODES)}"
        )
        raise click.BadParameter(message, ctx, param)
    return tuple(mode for mode in MODES if mode in wanted)


@click.command(
    "sweep", options_metavar="[OPTIONS]", context_settings={"allow_interspersed_args": False}
)
@click.argument("target", metavar="TARGET [ARGS]...", nargs=-1, required=True)
@click.option(
    "--with",
    "modes",
    default="cancel,done",
    show_default=True,
    callback=_modes,
    metavar="WAYS",
    help="cancel: while it waits; done: when what it awaits is done, before it goes on; twice: a "
    "second time during the cleanup; error: an OSError instead.",
)
@click.option("--where", default="", help="Only at lines or resources that contain this.")
@click.option(
    "--limit", type=click.IntRange(1), default=100, show_default=True, help="The most runs."
)
@click.option(
    "--timeout",
    type=Duration(positive=True),
    default="60s",
    show_default=True,
    metavar="TIME",
    help="When the first run is ended; the others get three times as long as it took.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Keep orders and recordings of losses here (default: a new folder sweep-TIME).",
)
def command(
    target: tuple[str, ...],
    modes: tuple[Mode, ...],
    where: str,
    limit: int,
    timeout: int,
    output: Path | None,
) -> None:
    """Run a program again and again, and cancel a task at each suspension point in turn.

    The points are those in the enter, body or exit of what it acquires. What was recorded judges:
    nothing may be left acquired, lost to its pool or masked, and the program must end. TARGET is
    what `run` takes. Put `-m MODULE` after --.

    The exit code is 1 if something is lost.
    """
    arguments = python_arguments(target)
    folder = output or Path(f"sweep-{datetime.now():%Y%m%d-%H%M%S}")
    folder.mkdir(parents=True, exist_ok=True)
    sweep = Sweep(Program(tuple(arguments), Path.cwd()), folder, limit=timeout / 1e9)
    points = sweep.points(modes, where)
    chosen = list(islice(points, limit))
    left_out = f", {len(points) - len(chosen)} more are left out by --limit" * (
        len(points) > len(chosen)
    )
    click.echo(f"{len(chosen)} point{'s' * (len(chosen) != 1)}{left_out}")
    done = 0

    def count(_point: Point) -> None:
        nonlocal done
        done += 1
        if sys.stderr.isatty():
            click.echo(f"\r{done} of {len(chosen)}", err=True, nl=False)

    losses = list(sweep.run(chosen, count))
    if sys.stderr.isatty():
        click.echo("\r", err=True, nl=False)
    _print(losses, chosen, arguments)
    if not losses and output is None:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    sys.exit(FAILED if losses else 0)


def _print(losses: list[Loss], points: list[Point], arguments: list[str]) -> None:
    """Print what was lost, grouped by place."""
    if not losses:
        click.echo("nothing is lost")
        return
    words = shlex.join(arguments)
    ordered = sorted(losses, key=lambda loss: place_text(loss.point.place))
    for place, group in groupby(ordered, key=lambda loss: loss.point.place):
        found = list(group)
        tried = sum(point.place == place for point in points)
        click.echo(plain(f"{place_text(place)}: {len(found)} of {tried} lose something"))
        for loss in found:
            order = loss.trial.recording.with_suffix(".order")
            when = {
                "cancel": "cancelled",
                "done": "cancelled when done",
                "twice": "cancelled twice",
            }
            how = when.get(loss.point.mode, "failed")
            click.echo(f"  {how}, suspension {loss.point.number}")
            for what in loss.what:
                click.echo(plain(f"    {what}"))
            click.echo(f"    again: asyncctx-trace run --order {shlex.quote(str(order))} {words}")
