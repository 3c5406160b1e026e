"""What is said of a test, and whether it fails by it.

Of a test that passes only what is certain is reported, and only what somebody can act on: that a
deadline passed or an enter raised is what many tests are about, and how long something took says
more about the machine. Of a test that fails everything is reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from asyncctx_trace.analysis.contention.costs import contention_in
from asyncctx_trace.analysis.findings import find_in
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.budgets import Breach
from asyncctx_trace.analysis.summary.gates import selects, what_is_missing
from asyncctx_trace.analysis.summary.grouping import FindingGroup, group_findings
from asyncctx_trace.model.text import plain
from asyncctx_trace.testing.lifecycles import Lifecycles
from asyncctx_trace.testing.settings import Settings

__all__ = ["Judgement", "judge"]

_EXPECTED = frozenset(
    {
        "cancelled-in-enter",
        "cleanup-cancelled",
        "cleanup-error",
        "enter-error",
        "suppressed-error",
        "timeout",
    }
)
"""How something ended: a test that passes has taken note of it."""
_TIMED = frozenset({"held-across-wait", "slow-cleanup", "starved-pool"})
"""What depends on the speed of the machine: reported where its threshold was given."""


@dataclass
class Judgement:
    """What a test is told."""

    lines: list[tuple[str, str]] = field(default_factory=list)
    """What was found: a key that is the same in every test with the same cause, and a sentence."""
    broken: list[str] = field(default_factory=list)
    """Why the test fails."""
    budgets: list[str] = field(default_factory=list)
    """Budgets of which the test has used a resource."""


def judge(
    lifecycles: Lifecycles,
    settings: Settings,
    *,
    failed: bool,
    outliving: Sequence[tuple[int, int]] = (),
) -> Judgement:
    """Judge a test that is over, its fixtures included.

    ``failed`` says that it has failed already. ``outliving`` are the times (monotonic ns) in which
    fixtures of a wider scope were set up: what those entered may stay open.
    """
    snapshot = lifecycles.snapshot(running=False)
    findings = [
        finding
        for finding in find_in(snapshot, settings.limits())
        if not (finding.kind == "leak" and _outlives(snapshot, finding.rows, outliving))
    ]
    judgement = Judgement()
    for group in group_findings(snapshot, findings):
        said = _judge(judgement, snapshot, group, settings, failed=failed, said=False)
        for consequence in group.consequences:
            _judge(judgement, snapshot, consequence, settings, failed=failed, said=said)
    for breach in _breaches(snapshot, settings, judgement):
        judgement.lines.append((f"budget {breach.budget.text}", plain(breach.summary)))
        judgement.broken.append(plain(breach.summary))
    if settings.strict and (why := what_is_missing(snapshot.timeline)):
        judgement.broken.append(f"the recording is incomplete: {why}")
    return judgement


def _judge(
    judgement: Judgement,
    snapshot: Snapshot,
    group: FindingGroup,
    settings: Settings,
    *,
    failed: bool,
    said: bool,
) -> bool:
    """Judge one group; ``said`` and what is returned: whether it, or its cause, is reported."""
    if selects(settings.allow, group):
        return said
    counts = group.kind in settings.chosen() if group.kind in _TIMED else True
    counts = counts and (failed or group.kind not in _EXPECTED)
    if group.kind in settings.forbid or (counts and selects(settings.forbid, group)):
        judgement.broken.append(_line(group))
    elif said or not counts or not (failed or group.certainty == "certain"):
        return said
    judgement.lines.append((_key(snapshot, group), _line(group)))
    return True


def _outlives(
    snapshot: Snapshot, rows: Sequence[int], outliving: Sequence[tuple[int, int]]
) -> bool:
    entered = (snapshot.timeline.enter_started[row] for row in rows)
    return all(any(start <= at <= end for start, end in outliving) for at in entered)


def _breaches(snapshot: Snapshot, settings: Settings, judgement: Judgement) -> Iterator[Breach]:
    if not settings.budgets:
        return
    uses = contention_in(snapshot)
    for budget in settings.budgets:
        breaches = budget.check(snapshot, uses)
        unused = any(breach.resource is None for breach in breaches)
        if not unused:
            judgement.budgets.append(budget.text)
        if not unused or budget in settings.required:
            yield from breaches


def _key(snapshot: Snapshot, group: FindingGroup) -> str:
    places = [
        (site.file, site.line) for s in group.sites if (site := snapshot.timeline.sites.get(s))
    ]
    return f"{group.kind} {group.certainty} {sorted(places)}"


def _line(group: FindingGroup) -> str:
    times = f" ×{group.count:,}" if group.count > 1 else ""
    return f"{group.kind} ({group.certainty}){times}: {plain(group.sentence)}"
