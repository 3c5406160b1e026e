"""The table of estimates in the text report on a sample."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from asyncctx_trace.analysis.estimates import Estimate, estimates
from asyncctx_trace.analysis.summary.report import Report
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.text import plain, shorten
from asyncctx_trace_tui.reports.extent import Extent
from asyncctx_trace_tui.reports.rich_tables import table, titled

__all__ = ["estimate_table"]

_NAME = 28
"""The width of a name, in cells."""
_COLUMNS = ("acquisitions", "waited", "p99", "held")


def estimate_table(report: Report, extent: Extent, width: int) -> Iterator[RenderableType]:
    """Render the estimates with their standard errors, most waiting time first."""
    del width  # it fits into 80 columns
    drawn = table("resource", *_COLUMNS, numbers=_COLUMNS)
    found = report.snapshot.once(estimates)
    for each in found[: extent.rows]:
        count = each.acquisitions
        drawn.add_row(
            Text(shorten(plain(each.name), _NAME)),
            f"{count.value:,}" + (f" ± {count.error:,}" if count.error else ""),
            _time(each.wait),
            format_duration(each.wait_p99),
            _time(each.hold),
        )
    title = "Estimates for all acquisitions, with standard errors"
    yield from titled(title, drawn, len(found))
    yield Text(
        "\nFindings are about the acquisitions that were kept. Who blocked whom, the order of "
        "cleanups and the critical path need a recording without sampling."
    )


def _time(estimate: Estimate) -> str:
    error = f" ± {format_duration(estimate.error)}" if estimate.error else ""
    return format_duration(estimate.value) + error
