"""Which unit of a resource each holder has."""

from __future__ import annotations

from analysis.support.builders import Story
from asyncctx_trace.analysis.contention.capacity_units import rows_by_unit


def pool(size: int = 2) -> Story:
    """A program with one pool."""
    story = Story()
    story.resource("pool", "pool", size)
    return story


def units(story: Story) -> list[list[int]]:
    """Return the rows of each unit."""
    return [list(rows) for rows in rows_by_unit(story.timeline(), 1)]


def test_simultaneous_holders_have_different_units() -> None:
    """The first free one each."""
    story = pool()
    story.pass_through("a", "pool", 0, 0, 30)
    story.pass_through("b", "pool", 0, 10, 20)
    story.pass_through("c", "pool", 0, 25, 40)

    assert units(story) == [[0], [1, 2]]


def test_a_unit_is_free_when_its_holder_has_left() -> None:
    """At the very same time."""
    story = pool()
    story.pass_through("a", "pool", 0, 0, 10)
    story.pass_through("b", "pool", 0, 10, 20)

    assert units(story) == [[0, 1]]


def test_a_holder_that_is_leaving_makes_room() -> None:
    """A release lets the next one in before the exit around it has ended."""
    story = pool(1)
    story.pass_through("a", "pool", 0, 0, 10, 30)
    story.pass_through("b", "pool", 0, 20, 40)

    assert units(story) == [[0, 1]]


def test_an_open_acquisition_keeps_its_unit() -> None:
    """Until the end."""
    story = pool()
    story.gets_in(0, story.asks(0, "a", "pool"))
    story.pass_through("b", "pool", 10, 10, 20)
    story.pass_through("c", "pool", 30, 30, 40)

    assert units(story) == [[0], [1, 2]]


def test_a_failed_enter_has_no_unit() -> None:
    """It never held one."""
    story = pool()
    story.gives_up(10, story.asks(0, "a", "pool"))

    assert units(story) == []
