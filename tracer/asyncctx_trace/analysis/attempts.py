"""Attempts to get in that were followed by better ones."""

from __future__ import annotations

from typing import TypeAlias

from asyncctx_trace.analysis.snapshot import Snapshot

__all__ = ["Attempts"]

_Place: TypeAlias = tuple[str, str, str]
"""Class of the manager, file and function."""


class Attempts:
    """Tells of an enter that failed whether its task tried again and got in."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._last: dict[int, dict[_Place | None, int]] = {}
        """Task -> place -> the last row that got in there."""

    def succeeded_later(self, row: int) -> bool:
        """Whether the task of ``row`` got into an alike manager in the same function after it.

        That is a retry, a poll or a fallback. Costs one pass over the rows of each task.
        """
        timeline = self._snapshot.timeline
        task = timeline.task[row]
        last = self._last.get(task)
        if last is None:
            rows = timeline.rows_of_task[task]
            last = {self._place(other): other for other in rows if timeline.entered(other)}
            self._last[task] = last
        return last.get(self._place(row), -1) > row

    def _place(self, row: int) -> _Place | None:
        timeline = self._snapshot.timeline
        site = timeline.sites.get(timeline.site[row])
        return None if site is None else (timeline.manager[row], site.file, site.function)
