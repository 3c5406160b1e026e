"""Filter expressions, each against a small recording."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.builders import MS, START, RecordingBuilder
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.model.waits import WaitKind
from asyncctx_trace_tui.view.filters import (
    FilterError,
    parse,
    parse_prompt_duration,
    parse_waits,
)


@pytest.fixture
def timeline(tmp_path: Path) -> Timeline:
    """Row 0: anna waits 5 ms for the pool. Row 1: bert [x] at the lock, with an error."""
    builder = RecordingBuilder(tmp_path / "x.actx").task(1, "anna").task(2, "bert [x]")
    builder.resource(1, "pool", "pool", 2).resource(2, "lock")
    builder.acquisition(1, 1, 0, 5, 50, 51)
    builder.acquisition(
        2, 2, 10, 11, 30, 31, outcomes=(Outcome.OK, Outcome.ERROR), error=KeyError("gone")
    )
    return builder.timeline(100)


@pytest.mark.parametrize(
    ("expression", "rows"),
    [
        ("anna", [0]),
        ("task:a*", [0]),
        ("task:[x]", [1]),
        ("resource:pool wait>2ms", [0]),
        ("wait>=5ms", [0]),
        ("wait<5ms", [1]),
        ("hold>30ms", [0]),
        ("cleanup=1ms", [0, 1]),
        ("outcome:error", [1]),
        ("outcome:ok", [0]),
        ("error:KeyError", [1]),
        ("site:app.py:12", [0, 1]),
        ("kind:lock", [1]),
        ("-kind:lock", [0]),
        ("'bert [x]'", [1]),
        ("manager:Lock", [0, 1]),
        ("nobody", []),
    ],
)
def test_terms_select_acquisitions(timeline: Timeline, expression: str, rows: list[int]) -> None:
    """Each term by itself, and combined."""
    wanted = parse(expression)

    assert wanted is not None
    assert [row for row in range(2) if wanted(timeline, row, START + 100 * MS)] == rows


@pytest.mark.parametrize(
    ("expression", "rows"),
    [
        ("jobs", [0]),
        ("task:worker", [0]),
        ("resource:jobs", [0]),
        ("resource:worker", [1]),
        ("kind:queue*", [0]),
        ("kind:sleep", [2]),
        ("site:app.py:12 -kind:sleep", [0, 1]),
        ("outcome:ok", [0, 1, 2]),
        ("error:*", []),
        ("wait>15ms", [1]),
        ("wait<=10ms", [0]),
        ("kind:sleep wait>1ms", [2]),
        ("hold>1ms", []),
    ],
)
def test_terms_select_waits_for_other_things(
    tmp_path: Path, expression: str, rows: list[int]
) -> None:
    """By what is waited for, and how long; that of timers is not meant unless a kind is given."""
    builder = RecordingBuilder(tmp_path / "x.actx").resource(1, "jobs", "queue", None)
    builder.task(1, "worker").task(2, "main")
    builder.wait(1, WaitKind.QUEUE_GET, 0, 10, subject=1, woken_by=2)
    builder.wait(2, WaitKind.TASK, 1, 20, subject=1)
    builder.wait(2, WaitKind.SLEEP, 30, 40)
    timeline = builder.timeline(100)
    wanted = parse_waits(expression)

    assert wanted is not None
    assert [row for row in range(3) if wanted(timeline, row, START + 100 * MS)] == rows


@pytest.mark.parametrize("expression", ["tsak:x", "wait>soon", "'open", "wait>5parsecs"])
def test_invalid_expressions_are_refused_with_a_hint(expression: str) -> None:
    """In one line that says what is valid."""
    with pytest.raises(FilterError) as raised:
        parse(expression)

    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "ns"),
    [("5ms", 5 * MS), ("50µs", 50_000), ("1.5 s", 1500 * MS), ("2min", 120_000 * MS)],
)
def test_durations_are_parsed(text: str, ns: int) -> None:
    """As people write them."""
    assert parse_prompt_duration(text) == ns


def test_an_empty_expression_matches_everything() -> None:
    """It shows all lanes."""
    assert parse("  ") is None


def test_a_task_group_has_no_cleanup(tmp_path: Path) -> None:
    """Its exit waits for its tasks, however long they take."""
    builder = RecordingBuilder(tmp_path / "x.actx").task(1, "anna")
    builder.resource(1, "TaskGroup", "task group", None).resource(2, "lock")
    builder.acquisition(1, 1, 0, 1, 2, 90)
    builder.acquisition(1, 2, 3, 4, 5, 80)
    timeline = builder.timeline(100)
    wanted = parse("cleanup>1ms")

    assert wanted is not None
    assert [row for row in range(2) if wanted(timeline, row, START + 100 * MS)] == [1]
