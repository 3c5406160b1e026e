"""``asyncctx-trace fetch``: download traces from Jaeger or Tempo as OTLP JSON Lines."""

from __future__ import annotations

from datetime import timedelta

import click

from asyncctx_trace.model.durations import SECOND
from asyncctx_trace_tui.cli.duration_option import Duration
from asyncctx_trace_tui.cli.output_file import open_output

__all__ = ["command"]


@click.command("fetch")
@click.argument("url", metavar="URL")
@click.option("--trace", metavar="ID", help="Download the trace with this id.")
@click.option("--service", metavar="NAME", help="Download the latest traces of this service.")
@click.option(
    "--last",
    type=Duration(bare_unit="min", positive=True),
    default="1h",
    show_default=True,
    metavar="TIME",
    help="With --service: how far back to search, such as 15min, 2h or 7d.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="With --service: the largest number of traces.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True),
    default="-",
    metavar="FILE",
    help="Write to FILE (default: standard output).",
)
def command(
    url: str,
    trace: str | None,
    service: str | None,
    last: int,
    limit: int,
    output: str,
) -> None:
    """Download traces from the Jaeger or Tempo at URL, such as http://localhost:16686.

    The result is OTLP JSON Lines, which `replay`, `report` and `export` can read:

        asyncctx-trace fetch http://localhost:16686 --trace ID -o trace.jsonl
    """
    if (trace is None) == (service is None):
        raise click.UsageError("give either --trace ID or --service NAME")
    from asyncctx_trace.export.formats import otlp_json
    from asyncctx_trace.importers.jaeger_query import Jaeger

    jaeger = Jaeger(url)
    if trace is not None:
        spans = jaeger.trace(trace)
    else:
        assert service is not None
        spans = jaeger.search(service, since=timedelta(seconds=last / SECOND), limit=limit)
    with open_output(output) as out:
        for line in otlp_json.write(spans):
            out.write(line + "\n")
    if output != "-":
        traces = len({span.trace for span in spans})
        click.echo(f"wrote {len(spans)} spans of {traces} traces to {output}", err=True)
