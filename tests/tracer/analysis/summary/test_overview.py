"""The overview: what cost most time, what to do next, how the program is."""

from __future__ import annotations

import pytest

from analysis.support.builders import MS, Story
from asyncctx_trace.analysis.findings import KINDS
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.overview.assemble import overview_of
from asyncctx_trace.analysis.summary.overview.model import BUCKETS, Overview
from asyncctx_trace.analysis.summary.overview.remedies import REMEDIES
from asyncctx_trace.analysis.summary.overview.wording import describe_health, sparkline
from asyncctx_trace.model.events import Outcome
from asyncctx_trace.model.waits import WaitKind

START = 1_000 * MS
"""The time at which a story begins."""


def overview(story: Story, *, running: bool = False, now: float | None = None) -> Overview:
    """The overview of ``story``; ``now`` is in ms from its start."""
    at = None if now is None else START + round(now * MS)
    return overview_of(Snapshot(story.timeline(), at, running=running))


def a_service() -> Story:
    """A refresh holds the cache for long, twice; requests hold it for 1 ms."""
    story = Story()
    story.pass_through("first", "cache", 0, 0, 1, line=3)
    for start, length in ((100, 200), (600, 300)):
        story.pass_through(f"refresh{start}", "cache", start, start, start + length, line=7)
        for number in range(5):
            begun = start + length + number
            story.pass_through(f"t{start}-{number}", "cache", start + 10, begun, begun + 1, line=3)
    story.pass_through("alone", "cache", 500, 500, 501, line=3)
    story.ends(1_000)
    return story


def test_the_holds_that_kept_others_waiting_come_first() -> None:
    """How often, how many they kept waiting for how long in all, and when it was worst."""
    first = overview(a_service()).culprits[0]

    assert first.sentence == (
        "`main` at app.py:7 held `cache` 2 times, up to 300 ms, and kept 10 acquisitions waiting, "
        "2.40 s in all"
    )
    assert first.cost == 2_400 * MS
    assert START + 610 * MS <= first.at < START + 900 * MS
    assert first.in_opening


def test_only_acquisitions_that_waited_for_those_holds_are_counted() -> None:
    """One that came when it was free, and one that waited for somebody else, are not."""
    story = Story()
    story.pass_through("slow", "cache", 0, 0, 100, line=7)
    story.pass_through("kept", "cache", 50, 100, 110, line=3)
    story.pass_through("behind", "cache", 105, 110, 190, line=3)
    story.pass_through("later", "cache", 120, 190, 200, line=3)
    story.pass_through("alone", "cache", 300, 300, 301, line=3)
    story.ends(400)
    items = {item.site: item.sentence for item in overview(story).culprits}

    assert "held `cache` for 100 ms, and kept 1 acquisition waiting" in items[1]
    assert "kept 2 acquisitions waiting" in items[2]


def test_the_queue_over_time_is_that_of_the_resource() -> None:
    """Nobody waits in the first tenth, five tasks do while it is held, nobody at the end."""
    history = overview(a_service()).culprits[0].history

    assert len(history) == BUCKETS
    assert history[: BUCKETS // 10] == (0,) * (BUCKETS // 10)
    assert max(history) == pytest.approx(5)
    assert history[-1] == 0
    # Of 1000 ms, five tasks wait in 190 + 290, and fewer in two queues that drain.
    assert sum(history) / BUCKETS == pytest.approx((5 * 480 + 2 * (5 + 4 + 3 + 2 + 1)) / 1000, 0.02)


def test_what_the_holder_waited_for_is_what_to_change() -> None:
    """The line at which it did not go on, with its share."""
    story = a_service()
    for start, length in ((100, 200), (600, 300)):
        wait = story.awaits(start + 1, f"refresh{start}", WaitKind.SLEEP, line=8)
        story.wakes(start + length - 1, wait)
    first = overview(story).culprits[0]

    assert first.remedy.startswith("Do not hold it across `line 8` (app.py:8): it waited there for")


def test_findings_about_what_is_shown_are_not_listed_twice() -> None:
    """A lock that is held across a wait is the same culprit."""
    story = a_service()
    wait = story.awaits(601, "refresh600", WaitKind.SLEEP, line=8)
    story.wakes(899, wait)
    kinds = [item.kind for item in overview(story).culprits]

    assert "held-across-wait" not in kinds
    assert kinds[0] == "hold"


def test_a_stall_of_the_event_loop_is_ranked_by_the_time_it_took() -> None:
    """It leads to the stall itself."""
    story = a_service()
    story.stands_still(2_000, 6_000, "t100-0", 9)
    story.ends(7_000)
    first = overview(story).culprits[0]

    assert (first.kind, first.cost, first.at) == ("blocked-loop", 4_000 * MS, START + 2_000 * MS)
    assert first.stall is not None
    assert first.row is None
    assert "to_thread" in first.remedy


def deadlock() -> Story:
    """Two tasks, two locks, opposite order."""
    story = a_service()
    for task, lock in (("a", "one"), ("b", "two")):
        story.gets_in(1_500, story.asks(1_500, task, lock, 11))
    for task, lock in (("a", "two"), ("b", "one")):
        story.asks(1_600, task, lock, 12)
    return story


def test_a_deadlock_comes_before_everything_that_cost_more() -> None:
    """Its tasks can never go on; the holds in it are not culprits of their own."""
    story = deadlock()
    story.ends(1_800)
    shown = overview(story)

    assert shown.culprits[0].kind == "deadlock"
    assert "deadlock" not in [item.kind for item in shown.culprits[1:]]
    assert not any("`one`" in item.sentence for item in shown.culprits[1:])


def test_while_the_program_runs_it_says_what_hangs_now() -> None:
    """The deadlock, once; then the longest waits with their holders."""
    story = deadlock()
    story.gets_in(1_000, story.asks(1_000, "holder", "busy", 20))
    for number in range(3):
        story.asks(1_200, f"waiter{number}", "busy", 21)
    shown = overview(story, running=True, now=2_000)

    assert [item.kind for item in shown.hanging] == ["deadlock", "wait"]
    assert "deadlock" not in [item.kind for item in shown.culprits]
    assert shown.hanging[1].sentence == (
        "waiter0, waiter1 (+1 more) wait for `busy` at app.py:21, the first for 800 ms, held by "
        "holder for 1.00 s"
    )
    assert not shown.clean


def test_a_finished_program_hangs_nowhere() -> None:
    """What hung at its end is in the verdict and among the culprits."""
    story = deadlock()
    story.ends(2_000)

    assert overview(story).hanging == ()


def test_a_program_without_faults_shows_its_busiest_resources() -> None:
    """The one that was in use for the largest part of the time comes first."""
    story = Story()
    story.pass_through("anna", "seldom", 0, 0, 10)
    story.pass_through("bert", "often", 0, 0, 80, line=2)
    story.ends(100)
    shown = overview(story)

    assert shown.clean
    assert shown.culprits == ()
    assert [item.sentence for item in shown.busiest] == [
        "`often` (lock) was acquired once and in use 80 % of the time; no task waited for it",
        "`seldom` (lock) was acquired once and in use 10 % of the time; no task waited for it",
    ]
    assert max(shown.busiest[0].history) == 1


def test_a_certain_fault_is_shown_even_if_it_cost_no_time() -> None:
    """Six places cost time; a failed exit takes the place of the last."""
    story = Story()
    for number in range(6):
        lock = f"lock of kind {'abcdef'[number]}"
        story.pass_through(f"slow{number}", lock, 0, 0, 500 - number, line=10 + number)
        story.pass_through(f"kept{number}", lock, 1, 500 - number, 501, line=20 + number)
    bad = story.asks(600, "t", "file", 30)
    story.gets_in(601, bad)
    story.leaves(602, bad, Outcome.OK)
    story.is_out(603, bad, Outcome.ERROR, "OSError: disk full")
    story.ends(700)
    shown = overview(story)

    assert [item.kind for item in shown.culprits] == ["hold"] * 4 + ["cleanup-error"]
    assert shown.more == 2
    assert "disk full" in shown.culprits[-1].sentence


def test_an_interrupted_program_is_judged_before_but_rows_are_those_of_the_recording() -> None:
    """Acquisitions that ended after Ctrl-C are found in the timeline that the app shows."""
    story = a_service()
    story.gets_in(1_100, story.asks(1_100, "holder", "other", 8))
    story.asks(1_100, "stuck", "other", 9)
    story.interrupted(3_000)
    timeline = story.timeline()
    shown = overview_of(Snapshot(timeline))

    for item in shown.items:
        if item.row is not None:
            assert timeline.site[item.row] == item.site
    assert shown.opening[0].startswith("Interrupted by Ctrl-C")


def test_health_counts_what_was_seen_and_what_went_wrong() -> None:
    """Errors that follow from another one are not counted again."""
    story = a_service()
    outer = story.asks(600, "t", "outer", 30)
    story.gets_in(601, outer)
    inner = story.asks(602, "t", "inner", 31)
    story.gets_in(603, inner)
    for acquisition, at in ((inner, 604), (outer, 606)):
        story.leaves(at, acquisition, Outcome.ERROR, "ValueError: bad")
        story.is_out(at + 1, acquisition)
    story.gives_up(900, story.asks(800, "u", "outer", 32), Outcome.TIMED_OUT)
    story.stands_still(700, 850, "t", 9)
    health = overview(story).health

    assert (health.tasks, health.acquisitions, health.waiting) == (16, 17, 0)
    assert (health.errors, health.timeouts, health.cancellations) == (1, 1, 0)
    assert (health.stalls, health.stalled) == (1, 150 * MS)
    assert describe_health(health, running=False) == [
        ("16 tasks", False),
        ("17 acquisitions", False),
        ("0 waiting at the end", False),
        ("1 error", True),
        ("1 timeout", True),
        ("event loop blocked once, at most 150 ms", True),
        ("nothing lost", False),
    ]


def test_a_recording_without_waits_says_nothing_of_the_event_loop() -> None:
    """It was not watched."""
    assert overview(a_service()).health.stalls is None


def test_an_empty_recording_has_an_overview() -> None:
    """It says that nothing was acquired."""
    shown = overview(Story())

    assert shown.opening == ("Nothing was acquired: no traced `async with` was entered.",)
    assert shown.items == ()


def test_each_kind_of_finding_has_a_remedy() -> None:
    """One sentence."""
    assert REMEDIES.keys() == set(KINDS)
    assert all(text.endswith(".") and len(text) <= 120 for text in REMEDIES.values())


@pytest.mark.parametrize(
    ("history", "width", "drawn"),
    [
        ((0, 1, 2, 4), 4, "▁▃▅█"),
        ((0, 0, 8, 0), 2, "▁█"),  # the highest of each
        ((0, 0.001, 100), 9, "▁▂█"),  # little is more than nothing
        ((0, 0), 9, ""),
        ((), 9, ""),
    ],
)
def test_a_sparkline_is_scaled_to_its_highest_value(
    history: tuple[float, ...], width: int, drawn: str
) -> None:
    """Nothing is the lowest character; everything else is higher."""
    assert sparkline(history, width) == drawn
