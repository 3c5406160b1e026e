"""What the overview names, as the steps of a tour."""

from __future__ import annotations

from asyncctx_trace.analysis.summary.overview.model import Overview
from asyncctx_trace_tui.view.tours.tour import Moment, Step

__all__ = ["overview_steps"]


def overview_steps(overview: Overview) -> list[Step]:
    """Return one step for each item, in their order."""
    return [
        Step(
            f"{item.sentence}.",
            Moment(item.at, item.row, None, item.stall, item.resource, item.site),
            item.remedy,
        )
        for item in overview.items
    ]
