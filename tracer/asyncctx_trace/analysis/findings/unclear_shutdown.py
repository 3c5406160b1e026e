"""Programs that started work after an interruption and then ended, perhaps not because of it.

A service finishes its requests after SIGTERM and flushes a buffer; a shell handles Ctrl-C and goes
on. The events do not distinguish them. So only what is true of both is reported: the findings up to
the interruption, and those of the work started after it, except for what was cancelled.
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
    """A snapshot of a part of a recording, whose findings are findings of the whole."""

    def __init__(self, snapshot: Snapshot, whole: Timeline | None = None) -> None:
        """``whole``: the complete timeline, if ``snapshot`` is at an unclear interruption."""
        self.snapshot = snapshot
        self._whole = whole

    def select(self, findings: Sequence[Finding], *, of: Snapshot) -> list[Finding]:
        """Return those of ``findings`` in this part that count, with the rows of ``of``."""
        rows = self.snapshot.rows if self.snapshot is not of else None
        if rows is not None:
            findings = [
                replace(finding, rows=tuple(rows[row] for row in finding.rows))
                for finding in findings
            ]
        whole = self._whole
        return [
            finding
            for finding in findings
            # It entered after the interruption.
            if whole is None
            or finding.kind != "still-waiting"
            or not (finding.rows and whole.entered(finding.rows[0]))
        ]


def parts(snapshot: Snapshot) -> list[Part]:
    """Return the parts of ``snapshot`` that are judged, each at a time of its own."""
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
    """Return the rows that started after the interruption of their process and were not cut off."""
    result = []
    first = min(interruption.at for interruption in unclear.values())
    for row, started in enumerate(timeline.enter_started):
        if started <= first:
            continue
        definition = timeline.tasks.get(timeline.task[row])
        interruption = None if definition is None else unclear.get(definition.process)
        if interruption is None or (started > interruption.at and not _cut_off(timeline, row)):
            result.append(row)
    return result


def _cut_off(timeline: Timeline, row: int) -> bool:
    outcomes = timeline.enter_outcome[row], timeline.body_outcome[row], timeline.exit_outcome[row]
    if Outcome.CANCELLED in outcomes:
        return True
    errors = (timeline.errors.get((row, phase)) for phase in ("enter", "body", "exit"))
    return any(error is not None and error.type in _ENDS_PROGRAMS for error in errors)
