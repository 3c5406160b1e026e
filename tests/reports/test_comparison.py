"""Two recordings told apart."""

from __future__ import annotations

import re

from analysis.builders import MS, Story
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.comparison import Comparison, compare
from asyncctx_trace_tui.reports.comparison_text import render_comparison


def day(*, hold: float = 10, moved: int = 0, leak: bool = False, crossed: bool = False) -> Snapshot:
    """Two tasks, one after the other in a lock, then a nest of two."""
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


def changed(told: Comparison) -> list[object]:
    """All that differs."""
    return [
        *told.appeared,
        *told.disappeared,
        *told.slower,
        *told.faster,
        *told.new_findings,
        *told.gone_findings,
        *told.new_orders,
        *told.gone_orders,
    ]


def test_the_same_program_with_moved_lines_is_the_same() -> None:
    """As the source of a site has moved with it."""
    assert changed(compare(day(), day())) == []


def test_what_became_slower_comes_with_its_place_and_phase() -> None:
    """The worst first; the other way round it is faster."""
    told = compare(day(), day(hold=30))
    told_back = compare(day(hold=30), day())
    slower = [(change.place[1], phase, ns) for change, phase, ns in told.slower]

    assert slower == [("lock", "wait", 20 * MS), ("lock", "hold", 20 * MS)]
    assert [ns for _, _, ns in told_back.faster] == [-20 * MS, -20 * MS]


def test_a_difference_within_the_noise_is_none() -> None:
    """Less than a quarter, or than a ms."""
    assert changed(compare(day(hold=10), day(hold=12))) == []


def test_new_findings_and_those_that_are_gone() -> None:
    """What is in both is not told."""
    told = compare(day(), day(leak=True))
    back = compare(day(leak=True), day())

    assert [finding.kind for finding in told.new_findings] == ["leak"]
    assert [finding.kind for finding in back.gone_findings] == ["leak"]
    assert changed(compare(day(leak=True), day(leak=True))) == []


def test_a_changed_order_of_cleanup_is_told() -> None:
    """With the new order and the old one."""
    text = render_comparison(compare(day(), day(crossed=True)), color=False)

    assert "outer → inner" in text
    assert "inner → outer" in text


def test_what_only_one_of_them_has_is_told() -> None:
    """With its place and how often it came up."""
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
