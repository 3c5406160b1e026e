"""``asyncctx-trace run``: start a program under the tracer."""

from __future__ import annotations

import shlex
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from asyncctx_trace.export.delivery.endpoint import endpoint_for, is_address
from asyncctx_trace.recording.format import SUFFIX
from asyncctx_trace.runtime.redaction_setting import redaction_is_set
from asyncctx_trace.runtime.ring_settings import ring_settings
from asyncctx_trace.steering.order import read as read_order
from asyncctx_trace_tui.cli.check_options import FAILED, check_options, print_failed_checks
from asyncctx_trace_tui.cli.output_file import new_recording, require_folder
from asyncctx_trace_tui.run.launcher import Program
from asyncctx_trace_tui.run.targets import python_arguments

if TYPE_CHECKING:
    from asyncctx_trace.analysis.summary.checks import Checks
    from asyncctx_trace.export.delivery.stream import SpanStream

__all__ = ["command"]


class _LikePython(click.Command):
    """A command that, like ``python``, ends its own options at ``-m MODULE`` or the target."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        takes_value = {
            name
            for option in self.params
            if isinstance(option, click.Option) and not option.is_flag
            for name in option.opts
        }
        rest = deque(args)
        options: list[str] = []
        while rest and rest[0].startswith("-") and rest[0] not in ("-m", "--"):
            option = rest.popleft()
            if option == "--otlp":  # the URL is optional, and a target is not a URL
                url = rest.popleft() if rest and is_address(rest[0]) else ""
                options.append(f"--otlp={url}")
                continue
            options.append(option)
            if option in takes_value and rest:
                options.append(rest.popleft())
        if rest and rest[0] == "--":
            rest.popleft()
        # The target and all that follows belongs to the program.
        return super().parse_args(ctx, [*options, "--", *rest])


@click.command(
    cls=_LikePython,
    context_settings={"allow_interspersed_args": False},
    options_metavar="[OPTIONS]",
)
@click.argument("target", metavar="TARGET [ARGS]...", nargs=-1, required=True)
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
    "--on",
    multiple=True,
    metavar="TRIGGER",
    help="Write the seconds around it to a file of their own, a dump, when this happens: "
    "`wait>2s`, `wait>10*p99`, `full(db pool)>5s`, `deadlock`, `leak`, `enter-error`, "
    "`error(TimeoutError)`, `lag>200ms`, `SIGUSR2`. Repeat it for more.",
)
@click.option("--before", metavar="TIME", help="Time before a trigger in its dump (default: 10s).")
@click.option("--after", metavar="TIME", help="Time after a trigger in its dump (default: 5s).")
@click.option(
    "--dumps",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write dumps to FOLDER (default: beside the recording).",
)
@click.option(
    "--sample",
    metavar="1/N",
    help="Write samples as well: all acquisitions that took long or failed, 1 in N of the others.",
)
@click.option(
    "--headless",
    is_flag=True,
    help="Run without the app: the program uses the terminal, and a report is printed at its end.",
)
@click.option(
    "-q",
    "--quiet",
    is_flag=True,
    help="Like --headless, but print only failed checks.",
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
@click.option(
    "--exporter",
    metavar="NAME",
    help="Send spans by this installed OpenTelemetry exporter instead of --otlp.",
)
@click.option(
    "--otlp-waits",
    is_flag=True,
    help="With --otlp or --exporter: make a span of each wait for a task, queue, event and the "
    "like as well.",
)
@click.option(
    "--spans",
    is_flag=True,
    help="Add spans and metrics to the program's own OpenTelemetry providers as well.",
)
@click.option(
    "--waits",
    type=click.Choice(["on", "off"]),
    help="Record waits for tasks, queues, events and the like, and a blocked event loop, as well "
    "(default: on).",
)
@click.option(
    "--redact",
    is_flag=True,
    help="Keep command line arguments, exception messages, output and string literals out of the "
    "recording.",
)
@click.option(
    "--order",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Steer the program by an order file, as `asyncctx-trace confirm` and `sweep` write it.",
)
@check_options
def command(
    target: tuple[str, ...],
    output: Path | None,
    overwrite: bool,
    keep: str | None,
    on: tuple[str, ...],
    before: str | None,
    after: str | None,
    dumps: Path | None,
    sample: str | None,
    headless: bool,
    quiet: bool,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    everything: bool,
    otlp: str | None,
    exporter: str | None,
    otlp_waits: bool,
    spans: bool,
    waits: str | None,
    redact: bool,
    order: Path | None,
    checks: Checks | None,
) -> None:
    """Run a program under the tracer, as `python TARGET [ARGS]...` would run it.

    TARGET is a script, a folder or zip file with a __main__ module, -m MODULE, the name of an
    installed command such as pytest, or of a bundled scenario. On a terminal, the app opens and
    shows the program while it runs.
    """
    _require_one_receiver(otlp, exporter, otlp_waits)
    options: dict[str, Any] = {
        "include": _names(include),
        "exclude": _names(exclude),
        "all": everything,
        "spans": spans,
        "waits": None if waits is None else waits == "on",
        "redact": redact or redaction_is_set(),
    }
    given = {"on": list(on), "before": before, "after": after, "dumps": dumps, "sample": sample}
    keep, options["dump_options"] = ring_settings(keep, given)
    if waits == "off" and any(trigger.startswith("lag") for trigger in on):
        raise click.UsageError("the trigger lag needs --waits on")
    if order is not None:
        read_order(order)  # report a mistake in it before the program starts
        options["order"] = str(order.resolve())
    arguments = python_arguments(target)
    recording = _recording_path(output, arguments)
    headless = headless or quiet or not _is_interactive()
    # Report an unusable endpoint before the program starts.
    stream = _stream(recording, otlp, exporter, waits=otlp_waits)

    def start() -> Program:
        program = Program(
            arguments,
            recording,
            captured=not headless,
            overwrite=overwrite,
            keep=keep,
            options=options,
        )
        if stream is not None:
            stream.start()
        return program

    if headless:
        from asyncctx_trace_tui.run.headless import run_headless

        program = start()
        code = run_headless(program, report_deadlocks=not quiet)
    else:
        program, code = _in_the_app(start)
        if not program.left_running:
            _echo(f"exit code: {_shell_exit_code(code)}")
    failed: list[str] = []
    if program.left_running:
        failed = ["check failed: the program is still running"] if checks else []
        print_failed_checks(failed)
    elif checks or (headless and not quiet):
        failed = _report(program, checks, printed=headless and not quiet)
    if stream is not None:
        _finish_stream(stream, recording, otlp, exporter)
    if not quiet:
        _echo(f"recording: {recording}")
        _print_dumps(recording, options["dump_options"].get("dumps"))
    if program.left_running:
        _print_left_running(program)
    sys.exit(_shell_exit_code(code) or (FAILED if failed else 0))


def _require_one_receiver(otlp: str | None, exporter: str | None, waits: bool) -> None:
    if otlp is not None and exporter is not None:
        raise click.UsageError("give either --otlp or --exporter")
    if waits and otlp is None and exporter is None:
        raise click.UsageError("--otlp-waits needs --otlp or --exporter")


def _report(program: Program, checks: Checks | None, *, printed: bool) -> list[str]:
    """Print the report if ``printed``, and return one line per failed check.

    An error in here is ours, not the program's: it is printed as one line, makes the checks fail,
    and leaves the exit code of the program alone.
    """
    from asyncctx_trace_tui.cli.report_printing import print_report

    try:
        out = sys.stderr if printed else None
        failed = print_report(program.recording, out, checks=checks, pid=program.pid)
    except Exception as error:
        from asyncctx_trace.model.text import plain

        message = f"the report failed: {type(error).__name__}: {plain(str(error))}"
        failed = [f"check failed: {message}"] if checks else []
        if not checks:
            _echo(f"asyncctx-trace: {message}")
    with suppress(OSError):
        print_failed_checks(failed)
    return failed


def _finish_stream(
    stream: SpanStream, recording: Path, otlp: str | None, exporter: str | None
) -> None:
    """Send the last spans, and print how many were sent and what failed."""
    from asyncctx_trace.model.text import plain

    account = stream.finish()
    _echo(f"spans: {account}")
    for problem in account.problems:
        _echo(f"asyncctx-trace: {plain(problem)}")
    if account.undelivered:
        to = f"--exporter {shlex.quote(exporter)}" if exporter else f"--otlp {_repeated(otlp)}"
        _echo(f"send them later: asyncctx-trace export {shlex.quote(str(recording))} {to}".rstrip())


def _repeated(url: str | None) -> str:
    """Return ``url`` as an argument, without what must not be printed."""
    from asyncctx_trace.model.urls import hide_secrets

    return shlex.quote(hide_secrets(url)) if url else ""


def _print_dumps(recording: Path, folder: str | None) -> None:
    dumps = Path(folder) if folder else recording.with_suffix(".dumps")
    for path in sorted(dumps.glob(f"{recording.stem}-*{SUFFIX}")):
        _echo(f"dump: {path}")


def _print_left_running(program: Program) -> None:
    _echo(
        f"The program runs on as process {program.pid} and is recorded.\n"
        f"  to follow it:  asyncctx-trace replay {shlex.quote(str(program.recording))}\n"
        f"  to stop it:    kill {program.pid}"
    )


def _echo(line: str) -> None:
    """Write to stderr, which may be closed or full: the exit code is the program's all the same."""
    with suppress(OSError):
        click.echo(line, err=True)


def _stream(
    recording: Path, url: str | None, exporter: str | None, *, waits: bool
) -> SpanStream | None:
    if url is None and exporter is None:
        return None
    from asyncctx_trace.export.delivery.exporters import connect, connect_by_name
    from asyncctx_trace.export.delivery.stream import FINISH_WITHIN, SpanStream

    if exporter is not None:
        return SpanStream(recording, connect_by_name(exporter), waits=waits)
    connection = connect(endpoint_for(url or None), FINISH_WITHIN)
    return SpanStream(recording, connection, waits=waits)


def _is_interactive() -> bool:
    # The app reads from stdin and writes to the other two.
    return all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))


def _names(values: Sequence[str]) -> list[str]:
    return [name.strip() for value in values for name in value.split(",") if name.strip()]


def _recording_path(output: Path | None, arguments: list[str]) -> Path:
    """Return ``output``, or a new file in the state folder, named after program and time."""
    if output is not None:
        require_folder(output)
        return output
    module = arguments[1] if arguments[0] == "-m" else None
    return new_recording(module or Path(arguments[0]).stem or "program")


def _in_the_app(start: Callable[[], Program]) -> tuple[Program, int]:
    from asyncctx_trace_tui.app.application import TraceApp
    from asyncctx_trace_tui.run.termination import Termination

    with Termination(has_program=True) as termination:
        program = start()
        termination.program_started(program)
        try:
            TraceApp(program.recording, program=program, termination=termination).run()
        except OSError:  # the terminal is gone
            pass
        finally:
            # Leave no process of the program behind, however the app ended.
            code = program.stop()
    return program, code


def _shell_exit_code(code: int) -> int:
    """Return ``code`` with a signal ``-n`` as 128 + n, as shells do."""
    return 128 - code if code < 0 else code
