"""Failed enters that a later one of the same task made good."""

from __future__ import annotations

from typing import TypeAlias

from asyncctx_trace.analysis.snapshot import Snapshot

__all__ = ["Retries"]

_Target: TypeAlias = tuple[str, str, str]
"""Class of the manager, file and function."""


class Retries:
    """Finds out whether a task that failed to enter tried again and entered."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._last: dict[int, dict[_Target | None, int]] = {}
        """Task -> target -> the last row that entered it."""

    def succeeded_later(self, row: int) -> bool:
        """Return whether the task of ``row`` entered a similar manager in the same function later.

        That is a retry, a poll or a fallback. The first call for a task looks at all of its rows.
        """
        timeline = self._snapshot.timeline
        task = timeline.task[row]
        last = self._last.get(task)
        if last is None:
            rows = timeline.rows_of_task[task]
            last = {self._target(other): other for other in rows if timeline.entered(other)}
            self._last[task] = last
        return last.get(self._target(row), -1) > row

    def _target(self, row: int) -> _Target | None:
        timeline = self._snapshot.timeline
        site = timeline.sites.get(timeline.site[row])
        return None if site is None else (timeline.manager[row], site.file, site.function)
