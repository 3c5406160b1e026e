"""One grammar for durations wherever one is read, and one format wherever one is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.summary.budgets import Budget
from asyncctx_trace.model.durations import SECOND, format_duration, parse_duration
from asyncctx_trace.recording.writing.retention import Retention
from asyncctx_trace_tui.cli.duration_option import DURATION
from asyncctx_trace_tui.view.filters import parse_prompt_duration

WRITTEN = {
    "7ns": 7,
    "200us": 200_000,
    "50µs": 50_000,  # the micro sign
    "50\u03bcs": 50_000,  # the Greek letter
    "5ms": 5_000_000,
    " 1.5 s ": 1_500_000_000,
    "90S": 90 * SECOND,
    "10m": 600 * SECOND,
    "2min": 120 * SECOND,
    "1h": 3600 * SECOND,
    "7d": 7 * 86_400 * SECOND,
    "1h 30min": 5400 * SECOND,
    "1min05s": 65 * SECOND,
}


@pytest.mark.parametrize(("text", "ns"), WRITTEN.items())
def test_every_place_that_reads_a_duration_reads_the_same(text: str, ns: int) -> None:
    """Options, prompts, thresholds and budgets."""
    assert parse_duration(text) == ns
    assert parse_prompt_duration(text) == ns
    assert DURATION.convert(text, None, None) == ns
    assert Retention.parse(text).ns == ns
    assert Thresholds.parse([f"slow-cleanup={text}"]).slow_cleanup == ns
    assert Budget.parse(f"db pool:wait.max<{text}").limit == ns


INVALID = ["", "5", "ms", "-5ms", "5 parsecs", "1e3ms", "5ms 1s", "1s 1s", "1h30", "9" * 400 + "s"]


@pytest.mark.parametrize("text", INVALID)
def test_an_invalid_duration_is_refused_with_an_example(text: str) -> None:
    """In one line."""
    with pytest.raises(ValueError, match=r"use for example 5ms, 1\.5s, 2min"):
        parse_duration(text)


def test_an_error_shows_control_characters_escaped() -> None:
    """The value may come from anywhere."""
    with pytest.raises(ValueError, match=r"invalid duration '\\\\x1b\[2J'"):
        parse_duration("\x1b[2J")


def test_a_number_without_a_unit_needs_a_caller_that_names_one() -> None:
    """Such as a prompt that counts seconds."""
    assert parse_duration("2.5", bare_unit="s") == 2_500_000_000
    assert parse_duration("90", bare_unit="min") == 5400 * SECOND
    assert parse_duration("5ms", bare_unit="min") == 5_000_000


@pytest.mark.parametrize(
    ("ns", "shown"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1_000, "1.00 µs"),
        (12_345, "12.3 µs"),
        (310_000_000, "310 ms"),
        (999_960, "1.00 ms"),
        (1_250_000_000, "1.25 s"),
        (59_990_000_000, "60.0 s"),
        (60_000_000_000, "1 min 00 s"),
        (61_000_000_000, "1 min 01 s"),
        (3_700_000_000_000, "1 h 01 min"),
        (-5_000_000, "-5.00 ms"),
    ],
)
def test_a_duration_is_shown_with_three_digits_and_a_unit(ns: int, shown: str) -> None:
    """The unit is the largest of which there is at least one."""
    assert format_duration(ns) == shown


@given(st.integers(0, 10**17))
def test_a_duration_can_be_read_as_it_is_shown(ns: int) -> None:
    """Except for the digits that are not shown: half of the third, or the seconds of an hour."""
    assert parse_duration(format_duration(ns)) == pytest.approx(ns, rel=0.017)
