"""Forecasts of changes as JSON values; ``docs/what-if.md`` documents them."""

from __future__ import annotations

from typing import Any

from asyncctx_trace.analysis.statistics import DurationStats
from asyncctx_trace.analysis.what_if.forecast import Forecast, Refused, ResourceForecast
from asyncctx_trace.analysis.what_if.ranking import Ranked

__all__ = ["VERSION", "what_if_as_dict"]

VERSION = 1
"""Increases when a field is removed or changes its meaning; new fields do not change it."""


def what_if_as_dict(
    file: str,
    *,
    forecast: Forecast | None = None,
    ranking: list[Ranked] | None = None,
    refused: Refused | None = None,
) -> dict[str, Any]:
    """Return a forecast, a ranking or a refusal as JSON values; times are in ns."""
    return {
        "schema": "asyncctx-trace/what-if",
        "version": VERSION,
        "file": file,
        "refused": None
        if refused is None
        else {"reason": str(refused), "resource": refused.resource},
        "forecast": None if forecast is None else _forecast(forecast),
        "ranking": None
        if ranking is None
        else [
            {
                "change": each.label,
                "what_if": list(each.forecast.changes.texts),
                "saved_ns": each.saved,
                "more_does_not_help": each.more_does_not_help,
                "forecast": _forecast(each.forecast),
            }
            for each in ranking
        ],
    }


def _forecast(forecast: Forecast) -> dict[str, Any]:
    bottleneck = forecast.bottleneck
    return {
        "changes": list(forecast.changes.texts),
        "makespan_ns": forecast.makespan,
        "new_makespan_ns": forecast.new_makespan,
        "acquisitions": forecast.entered,
        "bottleneck": None if bottleneck is None else bottleneck.name,
        "open_loop": forecast.open_loop,
        "loop_busy": round(forecast.loop_busy, 4),
        "deviation": round(forecast.deviation, 4),
        "notes": list(forecast.caveats),
        "resources": [_resource(each) for each in forecast.resources],
    }


def _resource(each: ResourceForecast) -> dict[str, Any]:
    return {
        "ids": list(each.resources),
        "name": each.name,
        "capacity": each.capacity,
        "new_capacity": each.new_capacity,
        "discipline": each.discipline,
        "measured": _stats(each.measured),
        "foretold": _stats(each.foretold),
        "low": _stats(each.low),
        "high": _stats(each.high),
    }


def _stats(stats: DurationStats) -> dict[str, int]:
    return {
        "count": stats.count,
        "mean_ns": stats.mean,
        "p50_ns": stats.p50,
        "p95_ns": stats.p95,
        "p99_ns": stats.p99,
        "max_ns": stats.max,
    }
