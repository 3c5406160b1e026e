"""Names as they are, for where there is room for them."""

from __future__ import annotations

from asyncctx_trace.analysis.timeline import Timeline
from asyncctx_trace_tui.view.text import plain

__all__ = ["full_names"]


def full_names(timeline: Timeline, row: int) -> list[str]:
    """Task, resource and place of an acquisition, a line each, nothing shortened."""
    task = timeline.tasks.get(timeline.task[row])
    resource = timeline.resources.get(timeline.resource[row])
    site = timeline.sites.get(timeline.site[row])
    told = [
        task.name if task is not None else f"task {timeline.task[row]}",
        resource.name if resource is not None else f"resource {timeline.resource[row]}",
    ]
    if site is not None:
        told.append(f"{site.file}:{site.line}")
    return [plain(each) for each in told]
