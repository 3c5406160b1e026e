"""Enters that were cancelled."""

from __future__ import annotations

from collections.abc import Iterator

from asyncctx_trace.analysis.findings.finding import Finding, by_site, times
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.row_lookup import rows_with
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.events import Outcome

__all__ = ["CancelledInEnter"]

_SAFE = ("asyncio.", "anyio.", "trio.", "contextlib.AsyncExitStack")
"""Managers that undo what they have begun when they are cancelled."""

_LOST = {
    "pool": "a connection that was just handed out may be lost to the pool",
    "generator": "what it had opened before its `yield` is only closed where a `finally` says so",
}


class CancelledInEnter(Finding):
    """The enter was cancelled, and its exit will never run.

    Only possible: no event tells how far the enter had come. Left out are the locks and task groups
    of the runtimes, which are known to lose nothing.
    """

    kind = "cancelled-in-enter"
    severity = "warning"

    @classmethod
    def check(cls, snapshot: Snapshot, thresholds: Thresholds) -> Iterator[Finding]:
        """Yield one for each resource and site."""
        timeline = snapshot.timeline
        rows = [
            row
            for row in rows_with(timeline.enter_outcome, Outcome.CANCELLED, Outcome.TIMED_OUT)
            if not timeline.manager[row].startswith(_SAFE)
        ]
        for (resource, _), group in by_site(snapshot, rows).items():
            row = group[0]
            waited = timeline.enter_ended[row] - timeline.enter_started[row]
            lost = _LOST.get(timeline.resources[resource].kind, "what it had begun may be lost")
            yield cls.of(
                snapshot,
                group,
                f"{snapshot.task_name(timeline.task[row])} was cancelled while it entered "
                f"{snapshot.acquisition_label(row)}, after {format_duration(waited)}: "
                f"{lost}{times(len(group))}.",
                certainty="possible",
                at=timeline.enter_ended[row],
                count=len(group),
            )
