"""The comparison of two recordings."""

from __future__ import annotations

import re

from analysis.support.builders import MS, Story
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.comparison import Comparison, compare
from asyncctx_trace_tui.reports.comparison_text import render_comparison


def day(*, hold: float = 10, moved: int = 0, leak: bool = False, crossed: bool = False) -> Snapshot:
    """Two tasks acquire a lock one after the other, then two nested resources."""
    story = Story()
    story.pass_through("a", "lock", 0, 0, hold, line=10 + moved)
    story.pass_through("b", "lock", 0, hold, 2 * hold, line=10 + moved)
    outer = story.asks(100, "a", "outer", 20 + moved)
    story.gets_in(100, outer)
    inner = story.asks(101, "a", "inner", 21 + moved)
    story.gets_in(101, inner)
    for at, one in enumerate((outer, inner) if crossed else (inner, outer)):
        story.leaves(102 + at, one)
        story.is_out(102.5 + at, one)
    if leak:
        story.gets_in(200, story.asks(200, "b", "session", 30 + moved))
    story.ends(300)
    return Snapshot(story.timeline())


def changed(comparison: Comparison) -> list[object]:
    """Return everything that differs."""
    return [
        *comparison.appeared,
        *comparison.disappeared,
        *comparison.slower,
        *comparison.faster,
        *comparison.new_findings,
        *comparison.gone_findings,
        *comparison.new_orders,
        *comparison.gone_orders,
    ]


def test_moved_lines_make_no_difference() -> None:
    """Sites are matched by their source text."""
    assert changed(compare(day(), day())) == []


def test_slower_sites_are_listed_with_their_phase() -> None:
    """The largest difference first; the other way round they are faster."""
    comparison = compare(day(), day(hold=30))
    told_back = compare(day(hold=30), day())
    slower = [(change.key[1], phase, ns) for change, phase, ns in comparison.slower]

    assert slower == [("lock", "wait", 20 * MS), ("lock", "hold", 20 * MS)]
    assert [ns for _, _, ns in told_back.faster] == [-20 * MS, -20 * MS]


def test_differences_within_the_noise_are_ignored() -> None:
    """Less than a quarter, or less than a ms."""
    assert changed(compare(day(hold=10), day(hold=12))) == []


def test_new_and_fixed_findings_are_listed() -> None:
    """Those in both recordings are not."""
    comparison = compare(day(), day(leak=True))
    back = compare(day(leak=True), day())

    assert [finding.kind for finding in comparison.new_findings] == ["leak"]
    assert [finding.kind for finding in back.gone_findings] == ["leak"]
    assert changed(compare(day(leak=True), day(leak=True))) == []


def test_a_changed_cleanup_order_is_listed() -> None:
    """With the new order and the old one."""
    text = render_comparison(compare(day(), day(crossed=True)), color=False)

    assert "outer → inner" in text
    assert "inner → outer" in text


def test_sites_in_one_recording_only_are_listed() -> None:
    """With their number of acquisitions."""
    there = render_comparison(compare(day(), day(leak=True)), color=False)
    back = render_comparison(compare(day(leak=True), day()), color=False)

    assert re.search(r"New places\n.*\n +session +app.py:30 +1", there)
    assert re.search(r"Places that are gone\n.*\n +session +app.py:30 +1", back)


def test_the_text_says_what_is_new_and_what_is_slower() -> None:
    """Or that nothing is."""
    text = render_comparison(compare(day(), day(hold=30, leak=True)), color=False)

    assert text.startswith("2 slower, 0 faster, 1 new findings, 0 gone.")
    assert "leak (certain) app.py:30" in text
    assert "+20.0 ms" in text
    assert render_comparison(compare(day(), day()), color=False) == (
        "No difference that is more than noise.\n"
    )


def test_findings_of_one_cause_are_one_line() -> None:
    """Slow exits of three resources at one site are one new finding."""
    slow = Story()
    for number in range(3):
        slow.pass_through(f"t{number}", f"r{number}", 0, 0, 10, 1_000)
    slow.ends(2_000)
    comparison = compare(Snapshot(Story().timeline()), Snapshot(slow.timeline()))
    text = render_comparison(comparison, color=False, width=120)

    assert len(comparison.new_findings) == 3
    assert "1 new findings" in text
    assert text.count("slow-cleanup (") == 1
