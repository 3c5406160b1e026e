"""What can be written after ``--what-if``."""

from __future__ import annotations

import pytest

from analysis.support.builders import Story
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.analysis.what_if.changes import parse_changes


def program() -> Timeline:
    """A pool, a lock, and a timeout, which has no capacity."""
    story = Story()
    story.resource("db pool", "pool", 5)
    story.resource("deadline", "timeout", None)
    story.pass_through("anna", "db pool", 0, 0, 10)
    story.pass_through("anna", "lock", 20, 20, 30)
    story.pass_through("anna", "deadline", 40, 40, 50)
    return story.timeline()


def test_changes_of_all_kinds_can_be_combined() -> None:
    changes = parse_changes(
        program(), ["db pool = 20", "app.py:1*0.5", "lock split 8", "arrivals x 2"]
    )

    assert changes.capacities == {1: 20}
    assert changes.hold_factors == {1: 0.5}
    assert changes.split == {3: 8}
    assert changes.arrivals == 2


def test_a_name_may_be_a_pattern_and_a_lock_may_be_removed() -> None:
    assert parse_changes(program(), ["*pool*=2"]).capacities == {1: 2}
    assert parse_changes(program(), ["lock removed"]).capacities == {3: None}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("db poll=20", "did you mean 'db pool'"),
        ("deadline=3", "no resource with a capacity 'deadline'"),
        ("app.py:7*2", "did you mean 'app.py:1'"),
        ("db pool=0", "at least 1"),
        ("lock split by key", "into how many parts"),
        ("arrivals*0", "cannot be multiplied by 0"),
        ("faster", "use for example"),
    ],
)
def test_a_wrong_change_says_what_is_wrong_and_what_there_is(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_changes(program(), [text])
