"""Names of tasks, resources and sites as text that is safe on a screen."""

from __future__ import annotations

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.text import plain, shorten

__all__ = ["full_names", "resource_name", "task_name"]

_NAME = 32
"""Cells of a name in a sentence."""


def task_name(timeline: Timeline, task: int) -> str:
    """The name of a task, short and plain; a number where it has none."""
    defined = timeline.tasks.get(task)
    return shorten(defined.name, _NAME) if defined is not None else f"task {task}"


def resource_name(timeline: Timeline, resource: int) -> str:
    """The name of a resource, short and plain; a number where it has none."""
    defined = timeline.resources.get(resource)
    return shorten(defined.name, _NAME) if defined is not None else f"resource {resource}"


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
