"""What could grow without end, and does not."""

from __future__ import annotations

from analysis.builders import MS, Story
from asyncctx_trace.analysis.contention.attribution import blame
from asyncctx_trace.analysis.deadlocks.lock_order import inversions
from asyncctx_trace.analysis.findings import find
from asyncctx_trace.analysis.kernels.charges import MAX_PATH_LENGTH, MAX_PATHS
from asyncctx_trace.analysis.snapshot import Snapshot


def test_where_ways_part_again_and_again_those_that_matter_are_followed() -> None:
    """More than a thousand paths lead from the first resource, and no ns is lost on them.

    Each of two holders waits for another resource, whose holders do so as well.
    """
    story = Story()
    levels = 18
    for level in range(levels + 2):
        story.resource(f"r{level}", "semaphore", 2)
        for name in ("a", "b"):
            story.gets_in(0, story.asks(0, f"{name}{level}", f"r{level}", level))
    for level in range(levels):
        story.asks(10, f"a{level}", f"r{level + 1}", level)
        story.asks(10, f"b{level}", f"r{level + 2}", level)
    story.asks(20, "waiter", "r0")
    story.ends(100)
    blamed = blame(Snapshot(story.timeline()), 1)
    paths = {share.path for share in blamed.shares}

    assert (blamed.total, blamed.unknown) == (80 * MS, 0)
    assert sum(share.ns for share in blamed.shares) == blamed.blamed
    assert len(paths) <= MAX_PATHS
    assert max(map(len, paths)) > 4


def test_a_deadlock_of_many_is_one_finding_and_no_way_leads_all_around() -> None:
    """Each holds the lock of its number and waits for the next."""
    story = Story()
    many = 300
    for number in range(many):
        story.gets_in(0, story.asks(0, f"t{number}", f"lock {number}"))
    for number in range(many):
        story.asks(10, f"t{number}", f"lock {(number + 1) % many}")
    story.ends(500, exit_code=None)
    timeline = story.timeline()
    cycles = [finding for finding in find(timeline) if finding.kind == "deadlock"]
    blamed = blame(Snapshot(timeline), 1)

    assert len(cycles) == 1
    assert f"and {many - 4} more" in cycles[0].summary
    assert max(len(share.path) for share in blamed.shares) == MAX_PATH_LENGTH
    assert (blamed.total, blamed.unknown) == (490 * MS, 0)


def test_a_ring_of_locks_under_one_gate_is_cleared_though_many_tasks_walk_it() -> None:
    """No choice of one task a step could hang; there are a thousand million choices."""
    story = Story()
    at = 0
    for step in range(10):
        for number in range(8):
            task = f"t{step}.{number}"
            gate = story.asks(at, task, "gate")
            story.gets_in(at, gate)
            outer = story.asks(at + 1, task, f"lock {step}")
            story.gets_in(at + 1, outer)
            story.pass_through(task, f"lock {(step + 1) % 10}", at + 2, at + 2, at + 3)
            for each in (outer, gate):
                story.leaves(at + 4, each)
                story.is_out(at + 4, each)
            at += 10

    found = [i for i in inversions(Snapshot(story.timeline())) if i.level == "resource"]
    assert found == []
