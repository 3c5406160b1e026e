"""Names of tasks, resources and sites as text that is safe on a screen."""

from __future__ import annotations

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.text import plain, shorten

__all__ = ["full_names", "resource_name", "task_name"]

_NAME = 32
"""Cells of a name in a sentence."""


def task_name(timeline: Timeline, task: int) -> str:
    """Return the shortened name of a task, or its number if it has no name."""
    defined = timeline.tasks.get(task)
    return shorten(defined.name, _NAME) if defined is not None else f"task {task}"


def resource_name(timeline: Timeline, resource: int) -> str:
    """Return the shortened name of a resource, or its number if it has no name."""
    defined = timeline.resources.get(resource)
    return shorten(defined.name, _NAME) if defined is not None else f"resource {resource}"


def full_names(timeline: Timeline, row: int) -> list[str]:
    """Return task, resource and site of an acquisition in full, one line each."""
    task = timeline.tasks.get(timeline.task[row])
    resource = timeline.resources.get(timeline.resource[row])
    site = timeline.sites.get(timeline.site[row])
    names = [
        task.name if task is not None else f"task {timeline.task[row]}",
        resource.name if resource is not None else f"resource {timeline.resource[row]}",
    ]
    if site is not None:
        names.append(f"{site.file}:{site.line}")
    return [plain(each) for each in names]
