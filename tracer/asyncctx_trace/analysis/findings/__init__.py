"""Findings: everything worth reporting, a class in a module of its own for each kind.

:func:`find` checks all kinds. A kind has a method ``check``, which yields findings in a snapshot
with their evidence, certainty and summary.
"""

from __future__ import annotations

from asyncctx_trace.analysis.findings.cleanups.cleanup_cancelled import CleanupCancelled
from asyncctx_trace.analysis.findings.cleanups.cleanup_error import CleanupError
from asyncctx_trace.analysis.findings.cleanups.expired_quietly import ExpiredQuietly
from asyncctx_trace.analysis.findings.cleanups.foreign_exit import ForeignExit
from asyncctx_trace.analysis.findings.cleanups.leak import Leak
from asyncctx_trace.analysis.findings.cleanups.out_of_order_exit import OutOfOrderExit
from asyncctx_trace.analysis.findings.cleanups.skipped_cleanup import SkippedCleanup
from asyncctx_trace.analysis.findings.cleanups.slow_cleanup import SlowCleanup
from asyncctx_trace.analysis.findings.cleanups.suppressed_error import SuppressedError
from asyncctx_trace.analysis.findings.failed_enters.cancelled_in_enter import CancelledInEnter
from asyncctx_trace.analysis.findings.failed_enters.enter_error import EnterError
from asyncctx_trace.analysis.findings.failed_enters.still_waiting import StillWaiting
from asyncctx_trace.analysis.findings.failed_enters.timeout import Timeout
from asyncctx_trace.analysis.findings.finding import Certainty, Finding, Severity
from asyncctx_trace.analysis.findings.limits.blocked_loop import BlockedLoop
from asyncctx_trace.analysis.findings.limits.held_across_wait import HeldAcrossWait
from asyncctx_trace.analysis.findings.limits.ineffective_limit import IneffectiveLimit
from asyncctx_trace.analysis.findings.limits.over_release import OverRelease
from asyncctx_trace.analysis.findings.limits.starved_pool import StarvedPool
from asyncctx_trace.analysis.findings.locking.deadlock import Deadlock
from asyncctx_trace.analysis.findings.locking.destroyed_task import DestroyedTask
from asyncctx_trace.analysis.findings.locking.lock_order_inversion import LockOrderInversion
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.findings.unclear_shutdown import parts
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import Timeline

__all__ = [
    "KINDS",
    "OBSERVATIONS",
    "SEVERITIES",
    "Certainty",
    "Finding",
    "Severity",
    "Thresholds",
    "find",
    "find_in",
]

_CHECKS = (
    Deadlock,
    DestroyedTask,
    Leak,
    LockOrderInversion,
    SkippedCleanup,
    ExpiredQuietly,
    OverRelease,
    CleanupError,
    CleanupCancelled,
    StillWaiting,
    BlockedLoop,
    EnterError,
    StarvedPool,
    IneffectiveLimit,
    CancelledInEnter,
    Timeout,
    SuppressedError,
    SlowCleanup,
    ForeignExit,
    OutOfOrderExit,
    HeldAcrossWait,
)

KINDS = tuple(check.kind for check in _CHECKS)
"""Every kind of finding, the most severe first."""

OBSERVATIONS = frozenset(
    {
        BlockedLoop.kind,
        EnterError.kind,
        HeldAcrossWait.kind,
        SlowCleanup.kind,
        StarvedPool.kind,
        SuppressedError.kind,
        Timeout.kind,
    }
)
"""Kinds for which ``certain`` means that it happened, not that it is wrong: it may be intended.

For all other kinds it means that no correct program does that, in any schedule.
"""

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""The most severe first."""


def find(
    timeline: Timeline,
    *,
    now: int | None = None,
    running: bool = False,
    thresholds: Thresholds | None = None,
) -> list[Finding]:
    """Return all findings, by severity, then certainty, kind and cost.

    ``now`` is in monotonic ns, by default the end of the timeline; ``running``: the program may go
    on.
    """
    return find_in(Snapshot(timeline, now, running=running), thresholds or Thresholds())


def find_in(snapshot: Snapshot, thresholds: Thresholds) -> list[Finding]:
    """Return all findings in ``snapshot``, in the order of :func:`find`.

    If the program was interrupted, it is judged at that time; rows are those of ``snapshot``.
    """
    findings: list[Finding] = []
    for part in snapshot.once(parts):
        of_part = [f for check in _CHECKS for f in check.check(part.snapshot, thresholds)]
        findings += part.select(of_part, of=snapshot)
    return sorted(
        findings,
        key=lambda finding: (
            SEVERITIES.index(finding.severity),
            finding.certainty != "certain",
            KINDS.index(finding.kind),
            -finding.cost,
            finding.at,
        ),
    )
