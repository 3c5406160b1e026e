"""``asyncctx-trace export``: convert a recording, or send it as spans."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from asyncctx_trace.model.constants import MAX_TRACE_SPANS
from asyncctx_trace.model.durations import SECOND
from asyncctx_trace_tui.cli.duration_option import Duration
from asyncctx_trace_tui.cli.output_file import open_output
from asyncctx_trace_tui.storage.atomic_write import format_size, write_chunks

if TYPE_CHECKING:
    from asyncctx_trace.export.delivery.exporters import Connection
    from asyncctx_trace.export.delivery.sender import Account
    from asyncctx_trace.sources import Source
    from asyncctx_trace.spans.trace_tree import TraceOptions

__all__ = ["command"]

FORMATS = ("otlp-json", "jaeger", "perfetto", "html", "svg", "text")
FROM_ENVIRONMENT = ""
"""The value of ``--otlp`` without a URL."""


@click.command("export")
@click.argument("file", metavar="FILE")
@click.option(
    "--otlp",
    metavar="[URL]",
    is_flag=False,
    flag_value=FROM_ENVIRONMENT,
    help="Send spans to an OTLP endpoint. Default URL: OTEL_EXPORTER_OTLP_ENDPOINT, or "
    "http://localhost:4318.",
)
@click.option("--grpc", is_flag=True, help="Use gRPC (default for port 4317).")
@click.option(
    "--exporter",
    metavar="NAME",
    help="Send spans by this installed OpenTelemetry exporter, such as `console`, which its own "
    "environment variables configure.",
)
@click.option("--format", "format_", type=click.Choice(FORMATS), help="Convert to this format.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True),
    default="-",
    metavar="PATH",
    help="Write to PATH (default: standard output).",
)
@click.option(
    "--new-trace-after",
    type=Duration(bare_unit="s"),
    default="5min",
    show_default=True,
    metavar="TIME",
    help="Start a new, linked trace for acquisitions that start later than this in a trace.",
)
@click.option(
    "--max-trace-spans",
    type=click.IntRange(min=1),
    default=MAX_TRACE_SPANS,
    show_default=True,
    metavar="NUMBER",
    help="Start a new, linked trace for acquisitions in a trace with this many spans.",
)
@click.option(
    "--waits",
    is_flag=True,
    help="Make a span of each wait for a task, queue, event and the like as well (--otlp, and the "
    "formats otlp-json and jaeger; perfetto and html always have them).",
)
@click.option(
    "--arguments",
    is_flag=True,
    help="Include the arguments of command lines, which may contain secrets.",
)
@click.option(
    "--retry-for",
    type=Duration(bare_unit="s", positive=True),
    default=None,
    metavar="TIME",
    help="With --otlp: keep trying each batch for this long (default: OTEL_EXPORTER_OTLP_TIMEOUT, "
    "or 10s).",
)
def command(
    file: str,
    otlp: str | None,
    grpc: bool,
    exporter: str | None,
    format_: str | None,
    output: str,
    new_trace_after: int,
    max_trace_spans: int,
    waits: bool,
    arguments: bool,
    retry_for: int | None,
) -> None:
    """Send the recording FILE as spans (--otlp, --exporter), or convert it (--format).

    FILE may also contain OTLP JSON Lines; - is standard input. Spans have the same ids each time:
    to send those that did not arrive, run the command again.
    """
    if sum(way is not None for way in (otlp, exporter, format_)) != 1:
        raise click.UsageError(
            "give one of --otlp or --exporter, to send spans, or --format, to convert the recording"
        )
    from asyncctx_trace.spans.trace_tree import TraceOptions

    options = TraceOptions(new_trace_after / SECOND, max_trace_spans, arguments, waits)
    if format_ is None:
        account = _send(file, options, _receiver(otlp, grpc, exporter, retry_for))
        if not account.complete:
            sys.exit(1)
        return
    _refuse_own_file(file, output)
    if format_ == "svg" or format_ == "text":
        from asyncctx_trace_tui.app.offscreen import render_offscreen

        shown = render_offscreen(Path(file), "svg" if format_ == "svg" else "text")
        with open_output(output) as out:
            out.write(shown)
        return
    show_progress = _progress(output)
    from asyncctx_trace.sources import open_source

    try:
        show_progress(0)
        source = open_source(file)
        chunks = _converted(source, format_, options)
        with open_output(output) as out:
            write_chunks(chunks, out, show_progress)
    finally:
        if output != "-" and sys.stderr.isatty():
            click.echo("\r\x1b[K", nl=False, err=True)
    _print_left_out(source)


def _converted(source: Source, format_: str, options: TraceOptions) -> Iterable[str]:
    match format_:
        case "otlp-json":
            from asyncctx_trace.export.formats import otlp_json

            return (line + "\n" for line in otlp_json.write(source.spans(options)))
        case "jaeger":
            from asyncctx_trace.export.formats import jaeger_json

            return jaeger_json.write(source.spans(options))
        case "html":
            from asyncctx_trace.analysis.timeline.table import Timeline
            from asyncctx_trace_tui.html_page.page import write

            return write(
                Timeline(source.events),
                running=source.running,
                arguments=options.arguments,
                anchor=source.anchor,
            )
        case _:
            from asyncctx_trace.analysis.timeline.table import Timeline
            from asyncctx_trace.export.formats import perfetto

            return perfetto.write(Timeline(source.events), arguments=options.arguments)


def _progress(output: str) -> Callable[[int], bool]:
    """Return a callback that shows how much is written, at most ten times a second."""
    if output == "-" or not sys.stderr.isatty():
        return lambda _written: True
    last_shown = 0.0

    def show(written: int) -> bool:
        nonlocal last_shown
        if time.monotonic() - last_shown > 0.1:
            last_shown = time.monotonic()
            click.echo(f"\r\x1b[Kwriting {output}: {format_size(written)}", nl=False, err=True)
        return True

    return show


def _refuse_own_file(file: str, output: str) -> None:
    if "-" not in (file, output) and Path(output).exists() and Path(output).samefile(file):
        raise click.UsageError(f"{output} is the recording itself: choose another file")


def _receiver(
    otlp: str | None, grpc: bool, exporter: str | None, retry_for: int | None
) -> tuple[str, Connection]:
    """Return the name of what is sent to, and the connection to it."""
    from asyncctx_trace.export.delivery.endpoint import endpoint_for
    from asyncctx_trace.export.delivery.exporters import connect, connect_by_name

    if exporter is not None:
        return exporter, connect_by_name(exporter)
    endpoint = endpoint_for(otlp or None, grpc=grpc or None)
    return str(endpoint), connect(endpoint, None if retry_for is None else retry_for / SECOND)


def _send(file: str, options: TraceOptions, receiver: tuple[str, Connection]) -> Account:
    """Send the spans of ``file``; print how many, and what went wrong."""
    from asyncctx_trace.export.delivery.sender import Sender
    from asyncctx_trace.sources import open_source

    name, connection = receiver
    interactive = sys.stderr.isatty()
    with Sender(connection) as sender:
        source = open_source(file)
        try:
            for account in sender.send(source.spans(options)):
                if interactive:
                    click.echo(f"\r{account} …", nl=False, err=True)
        finally:
            if interactive:
                click.echo("\r\x1b[K", nl=False, err=True)
            click.echo(f"{name}: {sender.account}", err=True)
    _print_left_out(source)
    if not sender.account.complete:
        _print_problems(sender.account, file)
    return sender.account


def _print_problems(account: Account, file: str) -> None:
    from asyncctx_trace.model.text import plain

    for problem, times in account.problems.items():
        click.echo(
            f"asyncctx-trace: {plain(problem)}" + (f" ({times}×)" if times > 1 else ""), err=True
        )
    if account.undelivered and file != "-":
        click.echo(
            f"asyncctx-trace: to send the rest, run the same command again ({file} is unchanged)",
            err=True,
        )


def _print_left_out(source: Source) -> None:
    if source.in_flight:
        click.echo(
            f"{source.in_flight} acquisitions have not ended and are left out: export again later",
            err=True,
        )
