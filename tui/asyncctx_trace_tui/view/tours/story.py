"""The story of a scenario: what to look at, with a way to find each moment in a recording."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace_tui.view.tours.tour import Moment, Step

__all__ = ["VERBS", "StoryStep", "parse_story", "story_steps"]

VERBS = (
    "asks for",
    "waits for",
    "gets",
    "fails to get",
    "holds",
    "leaves",
    "cleans up",
    "has left",
)
"""What a task does with a resource: the start, the course and the end of each phase."""

_LEAST = 10_000_000
"""The length from which a phase can be seen, in ns."""
_INTO = 100_000_000
"""How far into a phase to look, in ns; at most to its middle."""


@dataclass(frozen=True, slots=True)
class StoryStep:
    """One step: what is to be seen when a task does something with a resource."""

    task: str
    verb: str
    """One of :data:`VERBS`."""
    resource: str
    number: int
    """The first such time after the step before, the second, …"""
    see: str


def parse_story(declared: object) -> tuple[StoryStep, ...]:
    """Return the steps of the literal ``STORY`` of a scenario; raises ValueError.

    It is a list of ``{"at": (task, verb, resource), "see": text}``. A number after the resource
    means the second, third, … such time after the step before.
    """
    steps = declared if isinstance(declared, list) else [declared]
    return tuple(map(_parse_step, steps))


def _parse_step(step: object) -> StoryStep:
    match step:
        case {"at": (str(task), str(verb), str(resource)), "see": str(see)}:
            number = 1
        case {
            "at": (str(task), str(verb), str(resource), int(number)),
            "see": str(see),
        }:
            pass
        case _:
            raise ValueError(f"not a step of a story: {step!r}")
    if verb not in VERBS:
        raise ValueError(f"unknown verb {verb!r}; use one of: {', '.join(VERBS)}")
    return StoryStep(task, verb, resource, number, see)


def story_steps(timeline: Timeline, story: Iterable[StoryStep]) -> list[Step]:
    """Return the steps with their moments, each later than that of the step before.

    A step has no moment as long as it, or one before it, has not been recorded.
    """
    steps: list[Step] = []
    moment: Moment | None = Moment((timeline.start or 0) - 1)
    for step in story:
        if moment is not None:
            moment = _find(timeline, step, moment.at)
        steps.append(Step(step.see, moment))
    return steps


def _find(timeline: Timeline, step: StoryStep, after: int) -> Moment | None:
    """Return the moment of ``step`` after the time ``after``; ``None`` if there is none."""
    tasks = [task for task, known in timeline.tasks.items() if known.name == step.task]
    rows = chain.from_iterable(timeline.rows_of_task.get(task, ()) for task in tasks)
    found = sorted(
        (at, row)
        for row in rows
        if timeline.resource[row] in timeline.resources
        and timeline.resources[timeline.resource[row]].name == step.resource
        for at in _times(timeline, row, step.verb)
        if at > after
    )
    if len(found) < step.number:
        return None
    at, row = found[step.number - 1]
    return Moment(at, row=row, resource=timeline.resource[row], site=timeline.site[row])


def _times(timeline: Timeline, row: int, verb: str) -> Iterator[int]:
    """Yield when the task of ``row`` did that, once or not at all."""
    asked, got = timeline.enter_started[row], timeline.enter_ended[row]
    left, ended = timeline.exit_started[row], timeline.exit_ended[row]
    failed = got != NOT_YET and timeline.enter_outcome[row] != Outcome.OK
    match verb:
        case "asks for":
            yield asked
        case "waits for":
            yield from _within(asked, got)
        case "gets" if got != NOT_YET and not failed:
            yield got
        case "fails to get" if failed:
            yield got
        case "holds" if not failed:
            yield from _within(got, left)
        case "leaves" if left != NOT_YET:
            yield left
        case "cleans up":
            yield from _within(left, ended)
        case "has left" if ended != NOT_YET:
            yield ended


def _within(start: int, end: int) -> Sequence[int]:
    """Return a time within a phase, unless it is too short to be seen or has not ended."""
    if NOT_YET in (start, end) or end - start < _LEAST:
        return ()
    return (start + min(_INTO, (end - start) // 2),)
