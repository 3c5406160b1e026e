"""What was defined of the tasks, resources and sites of an acquisition."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ResourceInfo", "SiteInfo", "TaskInfo"]


@dataclass(slots=True, eq=False)
class ResourceInfo:
    """The definition of a resource."""

    id: int
    kind: str
    name: str
    capacity: int | None
    limit: int | None
    """How many holders block further ones; ``None`` if nobody is ever blocked."""


@dataclass(slots=True, eq=False)
class TaskInfo:
    """The definition of a task."""

    id: int
    name: str
    runtime: str
    thread: str


@dataclass(slots=True, eq=False)
class SiteInfo:
    """The definition of a site."""

    file: str
    line: int
    function: str
    text: str
    caller: SiteInfo | None = None
