"""The phase of an acquisition at every time, from the timeline and from the value."""

from __future__ import annotations

import pytest

from analysis.support.builders import MS, Story
from asyncctx_trace.analysis.timeline.phases import Phase
from asyncctx_trace.model.outcomes import Outcome

START = 1_000_000_000


def phases(story: Story, at: list[int]) -> list[Phase | None]:
    """The phase of the first acquisition at each time, in ms; both ways to ask must agree."""
    timeline = story.timeline()
    times = [START + ms * MS for ms in at]
    by_row = [timeline.phase_at(0, time) for time in times]
    assert [timeline.acquisition(0).phase_at(time) for time in times] == by_row
    return by_row


def test_each_phase_begins_with_its_event_and_ends_with_the_next() -> None:
    """At the very time of an event, the next phase has begun."""
    story = Story()
    story.pass_through("task", "lock", 10, 20, 30, 40)

    assert phases(story, [9, 10, 19, 20, 29, 30, 39, 40]) == [
        None,
        "enter",
        "enter",
        "body",
        "body",
        "exit",
        "exit",
        None,
    ]


def test_a_failed_enter_is_the_end() -> None:
    """It has no body."""
    story = Story()
    story.gives_up(20, story.asks(10, "task", "lock"), Outcome.CANCELLED)

    assert phases(story, [10, 19, 20, 99]) == ["enter", "enter", None, None]


@pytest.mark.parametrize("reached", ["enter", "body", "exit"])
def test_a_phase_that_has_not_ended_lasts(reached: Phase) -> None:
    """Whatever the time is."""
    story = Story()
    acquisition = story.asks(10, "task", "lock")
    if reached != "enter":
        story.gets_in(20, acquisition)
    if reached == "exit":
        story.leaves(30, acquisition)

    assert phases(story, [30, 1_000_000]) == [reached, reached]
