"""Names and places of the traced program, safe to show."""

from __future__ import annotations

import os
from pathlib import Path

from asyncctx_trace.analysis.case import Case
from asyncctx_trace_tui.text import plain, shorten

__all__ = ["NAME", "path", "place", "resource", "task", "way"]

NAME = 32
"""Cells for one name in a table."""


def place(case: Case, site: int) -> str:
    """A site as ``src/app.py:12``: as seen from here, so that an editor can jump to it."""
    known = case.timeline.sites.get(site)
    return f"{path(known.file)}:{known.line}" if known else "?"


def path(file: str) -> str:
    """A path, relative where it lies below the current folder."""
    here = str(Path.cwd()) + os.sep
    return plain(file.removeprefix(here))


def task(case: Case, number: int) -> str:
    """The name of a task."""
    known = case.timeline.tasks.get(number)
    return shorten(known.name, NAME) if known else f"task {number}"


def resource(case: Case, number: int) -> str:
    """The name of a resource."""
    known = case.timeline.resources.get(number)
    return shorten(known.name, NAME) if known else f"resource {number}"


def way(case: Case, resources: tuple[int, ...]) -> str:
    """From the resource that was waited for to the one that was held."""
    return " → ".join(resource(case, each) for each in resources)
