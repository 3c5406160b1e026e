"""``asyncctx-trace run``: start a program under the tracer."""

from __future__ import annotations

import os
import shlex
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from asyncctx_trace.errors import AsyncctxTraceError
from asyncctx_trace_tui.cli.check_options import FAILED, check_options, print_failed_checks
from asyncctx_trace_tui.run.launcher import Program

if TYPE_CHECKING:
    from asyncctx_trace.analysis.summary.gates import Gates
    from asyncctx_trace.export.delivery.stream import OtlpStream

__all__ = ["command"]


class _LikePython(click.Command):
    """Takes ``-m MODULE`` as the last word for us, as ``python`` does."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        takes_value = {
            name
            for option in self.params
            if isinstance(option, click.Option) and not option.is_flag
            for name in option.opts
        }
        words = deque(args)
        ours: list[str] = []
        while words and words[0].startswith("-") and words[0] not in ("-m", "--"):
            word = words.popleft()
            if word == "--otlp":  # the URL may be left out, and a target is none
                url = words.popleft() if words and "://" in words[0] else ""
                ours.append(f"--otlp={url}")
                continue
            ours.append(word)
            if word in takes_value and words:
                ours.append(words.popleft())
        if words and words[0] == "--":
            words.popleft()
        # From the target on, every word is the program's.
        return super().parse_args(ctx, [*ours, "--", *words])


@click.command(
    cls=_LikePython,
    context_settings={"allow_interspersed_args": False},
    options_metavar="[OPTIONS]",
)
@click.argument("words", metavar="TARGET [ARGS]...", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Record to FILE (default: a new file in your state folder).",
)
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists.")
@click.option(
    "--keep",
    metavar="SIZE|TIME",
    help="Limit the recording to its newest part, such as `200MB` or `10m`.",
)
@click.option(
    "--headless",
    is_flag=True,
    help="Run without the app: the program uses the terminal, and a report follows at its end.",
)
@click.option(
    "-q",
    "--quiet",
    is_flag=True,
    help="Like --headless, without the report. Failed checks still print a line.",
)
@click.option(
    "--include",
    multiple=True,
    metavar="NAMES",
    help="Trace these modules as well, such as `asyncpg,aiohttp`.",
)
@click.option("--exclude", multiple=True, metavar="NAMES", help="Do not trace these modules.")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Trace every module, including installed packages and the standard library.",
)
@click.option(
    "--otlp",
    metavar="[URL]",
    help="Send spans to an OTLP endpoint, such as Jaeger, while the program runs.",
)
@check_options
def command(
    words: tuple[str, ...],
    output: Path | None,
    overwrite: bool,
    keep: str | None,
    headless: bool,
    quiet: bool,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    everything: bool,
    otlp: str | None,
    checks: Gates | None,
) -> None:
    """Run a program under the tracer, as `python TARGET [ARGS]...` would run it.

    TARGET is a script, a folder or zip with a __main__, the name of a bundled scenario, or
    -m MODULE. On a terminal, the app opens and shows the program while it runs.
    """
    options: dict[str, Any] = {
        "include": _names(include),
        "exclude": _names(exclude),
        "all": everything,
    }
    target = _target(words)
    recording = output or _new_recording(words)
    headless = headless or quiet or not _on_a_terminal()
    # Before anything runs: what is wrong with the endpoint is said at once.
    stream = None if otlp is None else _stream(recording, otlp)
    program = Program(
        target, recording, captured=not headless, overwrite=overwrite, keep=keep, options=options
    )
    if stream is not None:
        stream.start()
    if headless:
        from asyncctx_trace_tui.run.headless import run_headless

        code = run_headless(program, tell=not quiet)
    else:
        code = _in_the_app(program)
        click.echo(f"exit code: {_as_shells_say(code)}", err=True)
    failed: list[str] = []
    if checks or (headless and not quiet):
        failed = _report(recording, checks, told=headless and not quiet)
    if stream is not None:
        from asyncctx_trace.model.text import plain

        account = stream.finish()
        click.echo(f"spans: {account}", err=True)
        for said in account.problems:
            click.echo(f"asyncctx-trace: {plain(said)}", err=True)
        if account.failed:
            click.echo(
                f"send them later: asyncctx-trace export {shlex.quote(str(recording))} --otlp",
                err=True,
            )
    if not quiet:
        click.echo(f"recording: {recording}", err=True)
    sys.exit(_as_shells_say(code) or (FAILED if failed else 0))


def _report(recording: Path, checks: Gates | None, *, told: bool) -> list[str]:
    """Report on ``recording`` if it is to be ``told``; the checks that are failed, each in a line.

    Whatever fails in here is ours, not the program's: it is said in a line, shuts the checks, and
    leaves the program's exit code alone.
    """
    from asyncctx_trace_tui.cli.report_printing import print_report

    try:
        failed = print_report(recording, sys.stderr if told else None, checks=checks)
    except Exception as error:
        from asyncctx_trace.model.text import plain

        why = f"the report failed: {type(error).__name__}: {plain(str(error))}"
        failed = [f"check failed: {why}"] if checks else []
        if not checks:
            with suppress(OSError):
                click.echo(f"asyncctx-trace: {why}", err=True)
    with suppress(OSError):
        print_failed_checks(failed)
    return failed


def _stream(recording: Path, url: str) -> OtlpStream:
    from asyncctx_trace.export.delivery.stream import OtlpStream

    return OtlpStream(recording, url or None)


def _on_a_terminal() -> bool:
    # The app reads the one and writes to the other two.
    return all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))


def _names(values: Sequence[str]) -> list[str]:
    return [name.strip() for value in values for name in value.split(",") if name.strip()]


def _target(words: tuple[str, ...]) -> list[str]:
    """What follows ``python``: the words, with a scenario's name made a path."""
    target, *arguments = words
    if target == "-m":
        if not arguments:
            raise click.UsageError("-m needs the name of a module")
        return list(words)
    if not os.path.lexists(target):
        from asyncctx_trace_tui.run.bundled_scenarios import find

        return [str(find(target)), *arguments]
    if not os.access(target, os.R_OK):
        raise AsyncctxTraceError(f"cannot read {target}: check its permissions")
    return list(words)


def _new_recording(words: tuple[str, ...]) -> Path:
    """A file that does not exist, named after the program and the hour."""
    from asyncctx_trace_tui.storage.paths import recordings

    name = words[1] if words[0] == "-m" else (Path(words[0]).stem or "program")
    folder = recordings()
    started = f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    path = folder / f"{started}.actx"
    number = 1
    while path.exists():
        number += 1
        path = folder / f"{started}-{number}.actx"
    return path


def _in_the_app(program: Program) -> int:
    from asyncctx_trace_tui.app.application import TraceApp

    try:
        TraceApp(program.recording, program=program).run()
    finally:
        # However the app ended, nothing of the program stays behind.
        code = program.stop()
    return code


def _as_shells_say(code: int) -> int:
    """A signal as 128 + n."""
    return 128 - code if code < 0 else code
