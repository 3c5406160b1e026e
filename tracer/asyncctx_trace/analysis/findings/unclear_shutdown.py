"""Programs that began work after an interruption and then ended: was that a shutdown?

A service finishes its requests after SIGTERM and flushes a buffer; a shell handles Ctrl-C and goes
on. The events do not tell them apart. So only what is true of both is told: what was found up to
the interruption, and what was found in the work begun after it, but for what was cancelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from asyncctx_trace.analysis.endings.interruption import cut_at_interruption, last_interruptions
from asyncctx_trace.analysis.endings.truncation import picked, truncated
from asyncctx_trace.analysis.findings.finding import Finding
from asyncctx_trace.analysis.snapshot import Interruption, Snapshot
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.outcomes import Outcome

__all__ = ["Part", "parts"]

_ENDS_PROGRAMS = frozenset(
    {"builtins.GeneratorExit", "builtins.KeyboardInterrupt", "builtins.SystemExit"}
)
"""Errors that end a task with the program."""


class Part:
    """A snapshot whose findings are findings of the whole."""

    def __init__(self, snapshot: Snapshot, whole: Timeline | None = None) -> None:
        """``whole``: what came of it afterwards, if ``snapshot`` stands at an unclear "
        "interruption."""
        self.snapshot = snapshot
        self._whole = whole

    def findings(self, found: Sequence[Finding], *, of: Snapshot) -> list[Finding]:
        """Those of ``found`` in this part that count, with the rows of the snapshot ``of``."""
        rows = self.snapshot.rows if self.snapshot is not of else None
        if rows is not None:
            found = [replace(each, rows=tuple(rows[row] for row in each.rows)) for each in found]
        whole = self._whole
        return [
            each
            for each in found
            # It did get in after the interruption.
            if whole is None or each.kind != "still-waiting" or not whole.entered(each.rows[0])
        ]


def parts(snapshot: Snapshot) -> list[Part]:
    """What of ``snapshot`` is judged, each at a moment of its own."""
    at_its_end = cut_at_interruption(snapshot)
    unclear = {} if at_its_end.is_cut or snapshot.running else last_interruptions(snapshot.timeline)
    if not unclear:
        return [Part(at_its_end)]
    moments = {process: each.at for process, each in unclear.items()}
    timeline, rows = truncated(snapshot.timeline, moments)
    first = min(unclear.values(), key=lambda each: each.at)
    interruption = replace(first, survived=True)
    before = Snapshot(timeline, interruption=interruption, rows=rows, kernels=snapshot.kernels)
    later = _begun_later(snapshot.timeline, unclear)
    after = Snapshot(
        picked(snapshot.timeline, later), snapshot.now, rows=later, kernels=snapshot.kernels
    )
    return [Part(before, snapshot.timeline), Part(after)]


def _begun_later(timeline: Timeline, unclear: dict[int, Interruption]) -> list[int]:
    """Rows that began after the interruption of their process and were not cut off."""
    found = []
    first = min(each.at for each in unclear.values())
    for row, started in enumerate(timeline.enter_started):
        if started <= first:
            continue
        known = timeline.tasks.get(timeline.task[row])
        interruption = None if known is None else unclear.get(known.process)
        if interruption is None or (started > interruption.at and not _cut_off(timeline, row)):
            found.append(row)
    return found


def _cut_off(timeline: Timeline, row: int) -> bool:
    outcomes = timeline.enter_outcome[row], timeline.body_outcome[row], timeline.exit_outcome[row]
    if Outcome.CANCELLED in outcomes:
        return True
    errors = (timeline.errors.get((row, phase)) for phase in ("enter", "body", "exit"))
    return any(error is not None and error.type in _ENDS_PROGRAMS for error in errors)
