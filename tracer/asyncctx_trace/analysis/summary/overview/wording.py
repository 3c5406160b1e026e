"""The overview in words and characters that screen, report and page share."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from asyncctx_trace.analysis.summary.overview.model import Health, Item
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.text import count

__all__ = ["HEIGHTS", "describe_health", "describe_history", "sparkline"]

HEIGHTS = "▁▂▃▄▅▆▇█"
"""The characters of a sparkline, from nothing to the most."""
_HISTORIES = {
    "waiting": "tasks waiting",
    "holding": "tasks holding it",
    "blocked": "event loop blocked",
    "found": "when it happened",
}


def sparkline(history: Sequence[float], width: int, heights: str = HEIGHTS) -> str:
    """Draw ``history`` in at most ``width`` characters; each shows the highest of its values.

    Only nothing at all is drawn as the first of ``heights``. Empty if there is no history.
    """
    most = max(history, default=0)
    if not most or width < 1:
        return ""
    width = min(width, len(history))
    edges = [len(history) * number // width for number in range(width + 1)]
    highest = [max(history[a:b]) for a, b in itertools.pairwise(edges)]
    steps = len(heights) - 1
    return "".join(heights[min(steps, -int(-value / most * steps // 1))] for value in highest)


def describe_history(item: Item) -> str:
    """Return what the sparkline of ``item`` shows."""
    return _HISTORIES.get(item.history_of, "")


def describe_health(
    health: Health, *, running: bool, in_report: bool = False
) -> list[tuple[str, bool]]:
    """Return the health in short parts, each with whether it is bad.

    ``in_report``: without the number of tasks and acquisitions and without what is missing, which
    a report says elsewhere.
    """
    parts = []
    if health.processes > 1:
        parts.append((count(health.processes, "process"), False))
    if not in_report:
        parts.append((count(health.tasks, "task"), False))
        parts.append((count(health.acquisitions, "acquisition"), False))
    waiting = f"{health.waiting:,} waiting {'now' if running else 'at the end'}"
    parts.append((waiting, bool(health.waiting) and not running))
    parts.append(
        (count(health.errors, "error") if health.errors else "no errors", health.errors > 0)
    )
    if health.timeouts:
        parts.append((count(health.timeouts, "timeout"), True))
    if health.cancellations:
        parts.append((count(health.cancellations, "cancellation"), False))
    if health.stalls is not None:
        parts.append(_loop(health))
    if not health.lost:
        parts.append(("nothing lost", False))
    elif not in_report:
        parts += [(f"lost: {loss}", True) for loss in health.lost]
    return parts


def _loop(health: Health) -> tuple[str, bool]:
    if not health.stalls:
        return "event loop never blocked for 100 ms", False
    times = "once" if health.stalls == 1 else f"{health.stalls:,} times"
    in_all = f", {format_duration(health.stalled)} in all" if health.stalls > 1 else ""
    longest = format_duration(health.longest_stall)
    return f"event loop blocked {times}{in_all}, at most {longest}", True
