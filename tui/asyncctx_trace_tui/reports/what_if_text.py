"""Forecasts of changes as text."""

from __future__ import annotations

from asyncctx_trace.analysis.what_if.forecast import Forecast, ResourceForecast
from asyncctx_trace.analysis.what_if.ranking import Ranked
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.text import shorten

__all__ = [
    "forecast_lines",
    "ranking_lines",
    "refusal_lines",
    "summary_line",
]

_MOST = 10
"""How many resources, or changes, are shown."""
_NAME = 24


def summary_line(forecast: Forecast, label: str, resource: int | None = None) -> str:
    """Return what a change does, as one line: the waits of ``resource``, or of the worst one."""
    shown = next((r for r in forecast.resources if resource in r.resources), None)
    if shown is None and forecast.resources:
        shown = max(forecast.resources, key=lambda each: each.measured.total)
    if shown is None:
        return label
    before, after = format_duration(shown.measured.p99), format_duration(shown.foretold.p99)
    return f"{label}: p99 wait {before} → {after}"


def forecast_lines(forecast: Forecast) -> list[str]:
    """Return a forecast as lines of at most 100 cells: a table of waits, then what follows."""
    lines = [f"What if: {', '.join(forecast.changes.texts) or 'nothing changes'}", ""]
    header = ("resource", "capacity", "", "mean", "p50", "p95", "p99")
    rows: list[tuple[str, ...]] = [header]
    for each in forecast.resources[:_MOST]:
        rows.append((shorten(each.name, _NAME), _capacity(each), "measured", *_figures(each)))
        rows.append(("", "", "foretold", *_foretold(each)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    for row in rows:
        cells = [
            cell.ljust(width) if column < 3 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    left = len(forecast.resources) - _MOST
    if left > 0:
        lines.append(f"and {left} more with less waiting")
    return [*lines, "", *_conclusions(forecast)]


def _conclusions(forecast: Forecast) -> list[str]:
    lines = []
    bottleneck = forecast.bottleneck
    if bottleneck is None:
        lines.append("Next bottleneck: none, nobody waits for long.")
    else:
        lines.append(
            f"Next bottleneck: `{shorten(bottleneck.name, _NAME)}`, p95 wait "
            f"{format_duration(bottleneck.foretold.p95)} "
            f"({format_duration(bottleneck.low.p95)} to {format_duration(bottleneck.high.p95)})."
        )
    before, after = format_duration(forecast.makespan), format_duration(forecast.new_makespan)
    lines.append(f"Whole program: {before} → {after}; {_rates(forecast)}.")
    loop = (
        "work arrives by itself (open loop)"
        if forecast.open_loop
        else "each task goes on when it is served (closed loop)"
    )
    lines.append(
        f"Assumed: {loop}; event loop busy {forecast.loop_busy:.0%}. Replayed unchanged, the waits "
        f"are off by {forecast.deviation:.1%} at most."
    )
    return lines + [f"Note: {caveat}." for caveat in forecast.caveats]


def _rates(forecast: Forecast) -> str:
    def rate(length: int) -> str:
        return f"{forecast.entered * 1e9 / max(1, length):,.0f}"

    return f"{rate(forecast.makespan)} → {rate(forecast.new_makespan)} acquisitions a second"


def _capacity(each: ResourceForecast) -> str:
    if each.new_capacity == each.capacity:
        return str(each.capacity)
    return f"{each.capacity} → {'no limit' if each.new_capacity is None else each.new_capacity}"


def _figures(each: ResourceForecast) -> tuple[str, str, str, str]:
    stats = each.measured
    mean, p50, p95, p99 = map(format_duration, (stats.mean, stats.p50, stats.p95, stats.p99))
    return mean, p50, p95, p99


def _foretold(each: ResourceForecast) -> tuple[str, ...]:
    """Return the foretold figures, the 95th percentile with its error band."""
    found = []
    for name in ("mean", "p50", "p95", "p99"):
        text = format_duration(getattr(each.foretold, name))
        if name == "p95":
            low, high = format_duration(each.low.p95), format_duration(each.high.p95)
            text += f" ({low}-{high})"
        found.append(text)
    return tuple(found)


def ranking_lines(ranked: list[Ranked]) -> list[str]:
    """Return the changes that were tried, the best first."""
    if not ranked:
        return ["None of the obvious changes saves a notable part of the waiting."]
    best = ranked[0]
    more = "; more hardly helps" if best.more_does_not_help else ""
    headline = summary_line(best.forecast, best.label, best.resource)
    lines = [f"The one change that helps most: {headline}{more}.", ""]
    rows = [("change", "saves", "then the bottleneck is", "program")]
    for each in ranked[:_MOST]:
        forecast = each.forecast
        then = forecast.bottleneck
        before, after = format_duration(forecast.makespan), format_duration(forecast.new_makespan)
        rows.append(
            (
                summary_line(forecast, each.label, each.resource),
                f"{format_duration(each.saved)} of waiting",
                "none" if then is None else f"`{shorten(then.name, _NAME)}`",
                f"{before} → {after}",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join(cells).rstrip())
    return lines


def refusal_lines(reason: str) -> list[str]:
    """Return why nothing can be foretold."""
    return [f"Cannot foretell: {reason}."]
