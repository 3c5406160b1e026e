"""Decides which findings of a test are reported, and whether they make it fail.

For a test that passes, only certain findings are reported that somebody can act on: many tests are
about deadlines that pass and enters that raise, and how long something took says more about the
machine. For a test that fails, everything is reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from asyncctx_trace.analysis.contention.costs import contention_in
from asyncctx_trace.analysis.findings import find_in
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.budgets import Breach
from asyncctx_trace.analysis.summary.checks import selects, what_is_missing
from asyncctx_trace.analysis.summary.grouping import FindingGroup, group_findings
from asyncctx_trace.model.text import plain
from asyncctx_trace.testing.lifecycles import Lifecycles
from asyncctx_trace.testing.plugin_options import Settings

__all__ = ["Evaluation", "evaluate"]

_EXPECTED_BY_TESTS = frozenset(
    {
        "cancelled-in-enter",
        "cleanup-cancelled",
        "cleanup-error",
        "enter-error",
        "suppressed-error",
        "timeout",
    }
)
"""Kinds of findings about how something ended: a test that passes has expected them."""
_MACHINE_DEPENDENT = frozenset({"held-across-wait", "slow-cleanup", "starved-pool"})
"""Kinds that depend on the speed of the machine: reported only if a threshold was given."""


@dataclass
class Evaluation:
    """What was found in a test."""

    lines: list[tuple[str, str]] = field(default_factory=list)
    """For each finding a key that is equal in all tests with the same cause, and a sentence."""
    failures: list[str] = field(default_factory=list)
    """Why the test fails."""
    budgets: list[str] = field(default_factory=list)
    """The budgets for a resource that the test has used."""


def evaluate(
    lifecycles: Lifecycles,
    settings: Settings,
    *,
    failed: bool,
    wider_fixtures: Sequence[tuple[int, int]] = (),
) -> Evaluation:
    """Evaluate a test that has ended, including its fixtures.

    Args:
        lifecycles: The acquisitions of the test.
        settings: What is forbidden, allowed and required.
        failed: Whether the test has failed already.
        wider_fixtures: Start and end (monotonic ns) of the set-up of each fixture of a wider scope.
            What was entered in it may stay open.
    """
    snapshot = lifecycles.snapshot(running=False)
    findings = [
        finding
        for finding in find_in(snapshot, settings.limits())
        if not (finding.kind == "leak" and _outlives(snapshot, finding.rows, wider_fixtures))
    ]
    evaluation = Evaluation()
    for group in group_findings(snapshot, findings):
        reported = _evaluate(evaluation, snapshot, group, settings, failed=failed, reported=False)
        for consequence in group.consequences:
            _evaluate(evaluation, snapshot, consequence, settings, failed=failed, reported=reported)
    for breach in _breaches(snapshot, settings, evaluation):
        evaluation.lines.append((f"budget {breach.budget.text}", plain(breach.summary)))
        evaluation.failures.append(plain(breach.summary))
    if settings.strict and (why := what_is_missing(snapshot.timeline)):
        evaluation.failures.append(f"the recording is incomplete: {why}")
    return evaluation


def _evaluate(
    evaluation: Evaluation,
    snapshot: Snapshot,
    group: FindingGroup,
    settings: Settings,
    *,
    failed: bool,
    reported: bool,
) -> bool:
    """Evaluate one group of findings.

    ``reported`` says whether its cause was reported; returns whether it or its cause is.
    """
    if selects(settings.allow, group):
        return reported
    counts = group.kind in settings.given_thresholds() if group.kind in _MACHINE_DEPENDENT else True
    counts = counts and (failed or group.kind not in _EXPECTED_BY_TESTS)
    if group.kind in settings.forbid or (counts and selects(settings.forbid, group)):
        evaluation.failures.append(_sentence(group))
    elif reported or not counts or not (failed or group.certainty == "certain"):
        return reported
    evaluation.lines.append((_cause_key(snapshot, group), _sentence(group)))
    return True


def _outlives(
    snapshot: Snapshot, rows: Sequence[int], wider_fixtures: Sequence[tuple[int, int]]
) -> bool:
    entered = (snapshot.timeline.enter_started[row] for row in rows)
    return all(any(start <= at <= end for start, end in wider_fixtures) for at in entered)


def _breaches(snapshot: Snapshot, settings: Settings, evaluation: Evaluation) -> Iterator[Breach]:
    if not settings.budgets:
        return
    uses = contention_in(snapshot)
    for budget in settings.budgets:
        breaches = budget.check(snapshot, uses)
        unused = any(breach.resource is None for breach in breaches)
        if not unused:
            evaluation.budgets.append(budget.text)
        if not unused or budget in settings.required:
            yield from breaches


def _cause_key(snapshot: Snapshot, group: FindingGroup) -> str:
    places = [
        (site.file, site.line) for s in group.sites if (site := snapshot.timeline.sites.get(s))
    ]
    return f"{group.kind} {group.certainty} {sorted(places)}"


def _sentence(group: FindingGroup) -> str:
    times = f" ×{group.count:,}" if group.count > 1 else ""
    return f"{group.kind} ({group.certainty}){times}: {plain(group.sentence)}"
