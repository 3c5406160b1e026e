"""How tasks, resources, sites and errors are named in what we print."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import PurePath
from typing import Protocol

from asyncctx_trace.model.events import ErrorText, ResourceDefined, SiteDefined, TaskDefined
from asyncctx_trace.model.text import cut, plain, shorten

__all__ = [
    "NAME_WIDTH",
    "Definitions",
    "class_name",
    "error_summary",
    "function_name",
    "relative_path",
    "resource_name",
    "site_name",
    "site_path",
    "task_name",
    "undefined_task",
]

NAME_WIDTH = 32
"""Cells of a name in a table, or in a sentence on the screen."""


class Definitions(Protocol):
    """Definitions by id, such as those of a timeline."""

    @property
    def tasks(self) -> Mapping[int, TaskDefined]:
        """Task id -> its definition."""

    @property
    def resources(self) -> Mapping[int, ResourceDefined]:
        """Resource id -> its definition."""

    @property
    def sites(self) -> Mapping[int, SiteDefined]:
        """Site id -> its definition."""


def task_name(definitions: Definitions, task: int, width: int | None = NAME_WIDTH) -> str:
    """Return the name of a task, or ``task 7`` if its definition is missing.

    It has at most ``width`` cells and no control characters; with ``None`` it is returned as
    recorded.
    """
    defined = definitions.tasks.get(task)
    return _fit(defined.name, width) if defined is not None else undefined_task(task)


def undefined_task(task: int) -> str:
    """Return the name of a task whose definition is missing."""
    return f"task {task}"


def resource_name(definitions: Definitions, resource: int, width: int | None = NAME_WIDTH) -> str:
    """Return the name of a resource, or ``resource 7``; see :func:`task_name`."""
    defined = definitions.resources.get(resource)
    return _fit(defined.name, width) if defined is not None else f"resource {resource}"


def site_name(definitions: Definitions, site: int, width: int = NAME_WIDTH) -> str:
    """Return a site without its folder, such as ``app.py:12``; ``""`` if it is not defined.

    The name of the file has at most ``width`` cells.
    """
    defined = definitions.sites.get(site)
    if defined is None:
        return ""
    return f"{shorten(PurePath(defined.file).name, width)}:{defined.line}"


def site_path(definitions: Definitions, site: int, width: int | None = None) -> str:
    """Return a site as ``src/shop/app.py:12``, relative to the working directory; ``?`` if unknown.

    With a ``width``, a path that is too long begins with ``…/``.
    """
    defined = definitions.sites.get(site)
    if defined is None:
        return "?"
    whole = f"{relative_path(defined.file)}:{defined.line}"
    if width is None or len(whole) <= width:
        return whole
    *folders, kept = whole.replace(os.sep, "/").split("/")
    for folder in reversed(folders):
        if len(kept) + len(folder) + 3 > width:
            break
        kept = f"{folder}/{kept}"
    return shorten(f"…/{kept}", width)


def relative_path(file: str) -> str:
    """Return a path relative to the working directory if that is shorter, safe to print."""
    if not os.path.isabs(file):  # noqa: PTH117 - a name, perhaps of another system
        return plain(file)
    try:
        relative = os.path.relpath(file)
    except (ValueError, OSError):  # another drive; no working directory
        return plain(file)
    return plain(min(file, relative, key=len))


def function_name(definitions: Definitions, site: int, width: int = NAME_WIDTH) -> str:
    """Return the function that contains a site, such as ``Shop.refresh``; ``""`` if unknown."""
    defined = definitions.sites.get(site)
    return shorten(defined.function, width) if defined is not None else ""


def class_name(qualified: str) -> str:
    """Return ``TimeoutError`` for ``asyncio.exceptions.TimeoutError``."""
    return qualified.rpartition(".")[2]


def error_summary(error: ErrorText, width: int) -> str:
    """Return an exception as ``ValueError: bad``, in at most ``width`` cells."""
    name = class_name(error.type)
    return cut(f"{name}: {error.message}" if error.message else name, width)


def _fit(name: str, width: int | None) -> str:
    return name if width is None else shorten(name, width)
