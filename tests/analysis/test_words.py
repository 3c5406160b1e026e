"""Names and times on their way to a screen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncctx_trace.model.text import duration, parse_duration, percent, plain, shorten


@given(st.text())
def test_what_is_plain_can_be_printed_as_it_is(text: str) -> None:
    """Whatever a program calls its tasks: no control character, no line break, no surrogate."""
    assert plain(text).isprintable()


@given(st.text(), st.integers(0, 50))
def test_what_is_shortened_fits(text: str, width: int) -> None:
    """Counted in cells: wide characters take two."""
    from rich.cells import cell_len

    assert cell_len(shorten(text, width)) <= width
    assert shorten(text, width).isprintable()


def test_both_ends_of_a_long_name_stay() -> None:
    """For names that differ by a number at their end."""
    assert shorten("a request of tenant 4711", 12) == "a requ… 4711"
    assert shorten("worker-" + "x" * 10_000 + "-17", 13) == "worker…xxx-17"
    assert shorten("\x1b[2Jname", 20) == "\\x1b[2Jname"


@pytest.mark.parametrize(
    ("ns", "words"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1_000, "1.00 µs"),
        (12_345, "12.3 µs"),
        (310_000_000, "310 ms"),
        (999_960, "1.00 ms"),
        (1_250_000_000, "1.25 s"),
        (61_000_000_000, "1 min 01 s"),
        (3_700_000_000_000, "1 h 01 min"),
        (-5_000_000, "-5.00 ms"),
    ],
)
def test_a_duration_has_three_digits_and_its_unit(ns: int, words: str) -> None:
    """As one would say it."""
    assert duration(ns) == words


@pytest.mark.parametrize(
    ("text", "ns"), [("5ms", 5_000_000), (" 1.5 s", 1_500_000_000), ("200us", 200_000)]
)
def test_a_duration_is_read_as_it_is_written(text: str, ns: int) -> None:
    """With or without a blank."""
    assert parse_duration(text) == ns


@pytest.mark.parametrize("text", ["", "5", "ms", "-5ms", "5 parsecs", "1e3ms"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    """In one line."""
    with pytest.raises(ValueError, match="use for example 5ms"):
        parse_duration(text)


def test_a_share_that_is_not_nothing_is_not_shown_as_nothing() -> None:
    """The smallest is below one percent."""
    assert [percent(share) for share in (0, 0.0001, 0.014, 1)] == ["0 %", "<1 %", "1 %", "100 %"]
