"""The story of each scenario: its moments are found in a real run, in order."""

from __future__ import annotations

import pytest

from analysis.support.builders import Story
from asyncctx_trace.model.events import Outcome
from asyncctx_trace_tui.run import bundled_scenarios
from asyncctx_trace_tui.run.bundled_scenarios import Scenario
from asyncctx_trace_tui.view.tours.story import StoryStep, parse_story, story_steps

from .runs import Run


def steps_of(name: str) -> tuple[StoryStep, ...]:
    """Return the steps that a scenario declares."""
    [scenario] = [each for each in bundled_scenarios.all() if each.name == name]
    return scenario.steps


def test_each_step_finds_its_moment(run: Run) -> None:
    """One after the other, with an acquisition of that task to show."""
    timeline = run.timeline
    declared = steps_of(run.name)
    steps = story_steps(timeline, declared)
    found = [step.moment for step in steps if step.moment is not None]

    assert len(found) == len(declared)
    assert [moment.at for moment in found] == sorted({moment.at for moment in found})
    for step, moment in zip(declared, found, strict=True):
        assert moment.row is not None
        assert (run.task(timeline.task[moment.row]), run.resource(moment.row)) == (
            step.task,
            step.resource,
        )


def test_the_recording_of_a_scenario_is_recognized(run: Run) -> None:
    """By the file that it ran."""
    found = bundled_scenarios.recorded_in(run.timeline)

    assert found is not None
    assert found.name == run.name


@pytest.mark.parametrize("scenario", bundled_scenarios.all(), ids=lambda each: each.name)
def test_a_story_is_short_enough_to_be_read(scenario: Scenario) -> None:
    """Five to eight steps of one to three sentences, each of which fits the panel."""
    assert 5 <= len(scenario.steps) <= 8
    for step in scenario.steps:
        assert 30 <= len(step.see) <= 220
        assert step.see.endswith((".", "…"))


def test_a_step_that_has_not_happened_has_no_moment_and_neither_have_those_after_it() -> None:
    """While the program runs, a story is known as far as it went."""
    story = Story()
    story.pass_through("anna", "lock", 0, 0, 300)
    story.gets_in(300, story.asks(100, "bert", "lock"))
    declared = parse_story(
        [
            {"at": ("anna", "holds", "lock"), "see": "a"},
            {"at": ("bert", "waits for", "lock"), "see": "b"},
            {"at": ("bert", "leaves", "lock"), "see": "c"},
            {"at": ("anna", "gets", "lock"), "see": "d"},
        ]
    )

    at = [
        step.moment and step.moment.at // 10**6 - 1000
        for step in story_steps(story.timeline(), declared)
    ]

    assert at == [100, 200, None, None]


@pytest.mark.parametrize(
    ("verb", "number", "at"),
    [
        ("asks for", 1, 0),
        ("waits for", 1, 50),  # the middle of a phase that is short
        ("gets", 1, 100),
        ("holds", 1, 200),  # a little into one that is long
        ("leaves", 1, 600),
        ("cleans up", 1, 610),
        ("has left", 1, 620),
        ("asks for", 2, 700),
        ("fails to get", 1, 900),
        ("gets", 2, None),
    ],
)
def test_each_verb_is_a_time_of_an_acquisition(verb: str, number: int, at: int | None) -> None:
    """Start, course and end of enter, body and exit."""
    story = Story()
    story.pass_through("anna", "lock", 0, 100, 600, 620)
    story.gives_up(900, story.asks(700, "anna", "lock"), Outcome.CANCELLED)
    [step] = story_steps(story.timeline(), [StoryStep("anna", verb, "lock", number, "look")])

    assert (step.moment and step.moment.at // 10**6 - 1000) == at


@pytest.mark.parametrize(
    "wrong",
    [
        {"at": ("anna", "eats", "lock"), "see": "x"},
        {"at": ("anna", "gets"), "see": "x"},
        {"at": ("anna", "gets", "lock")},
        "nothing",
    ],
)
def test_a_misspelt_step_is_refused(wrong: object) -> None:
    """Not left out."""
    with pytest.raises(ValueError, match=r"verb|not a step"):
        parse_story([wrong])


def test_a_file_of_the_same_name_is_not_the_scenario() -> None:
    """A script called lock.py has no story of ours."""
    story = Story()
    story.asks(0, "anna", "lock", file="lock.py")

    assert bundled_scenarios.recorded_in(story.timeline()) is None
