"""Each scenario shows, in a real run, what it declares."""

from __future__ import annotations

from asyncctx_trace.analysis.contention.costs import contention_in, got_in
from asyncctx_trace.analysis.findings import find
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET

from .runs import Run

TIMED = ("held-across-wait", "slow-cleanup", "starved-pool")
"""Kinds of findings that tell of time lost."""


def test_it_prints_the_same_with_and_without_the_tracer(run: Run) -> None:
    """And ends with the exit code that it declares."""
    expected = run.expects.get("exit_code", 0)

    assert run.traced.stdout == run.plain.stdout
    assert run.traced.stderr == run.plain.stderr
    assert (run.plain.returncode, run.traced.returncode) == (expected, expected)
    assert len(run.plain.stdout.splitlines()) >= 5


def test_no_event_is_dropped(run: Run) -> None:
    """The run is long enough to be watched."""
    timeline = run.timeline

    assert timeline.dropped == []
    assert len(timeline) >= 3


def test_it_cleans_up_in_the_declared_order(run: Run) -> None:
    """All exits of the declared tasks, in order."""
    timeline = run.timeline
    order: dict[str, list[str]] = {}
    exits = sorted((at, row) for row, at in enumerate(timeline.exit_ended) if at != NOT_YET)
    for _, row in exits:
        order.setdefault(run.task(timeline.exit_task[row]), []).append(run.resource(row))

    declared = run.expects["cleanup"]
    assert {task: " → ".join(order[task]) for task in declared} == declared


def test_the_declared_queues_form(run: Run) -> None:
    """The most waiters at once, and the order of acquisition."""
    timeline = run.timeline
    snapshot = Snapshot(timeline)
    found = {
        use.name: {
            "most_waiters": use.most_waiters,
            "got_in": " → ".join(
                run.task(timeline.task[row]) for row in got_in(snapshot, use.resource)
            ),
        }
        for use in contention_in(snapshot)
    }

    declared = run.expects["contention"]
    assert {name: found[name] for name in declared} == declared


def test_findings_are_those_declared(run: Run) -> None:
    """Each finding by its kind and the resource, or else the task, that it is about.

    A kind that depends on how fast the machine is may come up undeclared.
    """
    found: dict[str, list[str]] = {}
    for finding in find(run.timeline):
        rows, tasks = finding.rows, finding.tasks
        about = run.resource(rows[0]) if rows else run.task(tasks[0])
        found.setdefault(finding.kind, []).append(about)

    declared = run.expects["findings"]
    untimed = {
        kind: about for kind, about in found.items() if kind in declared or kind not in TIMED
    }
    assert {kind: sorted(about) for kind, about in untimed.items()} == declared
