"""Text from a traced program, made safe for a screen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from asyncctx_trace.model.text import count, cut, did_you_mean, percent, plain, shorten


@given(st.text(st.characters(codec=None)))
def test_plain_text_has_no_control_character(text: str) -> None:
    """Neither a line break nor a lone surrogate: a terminal prints it as it is."""
    assert plain(text).isprintable()


@given(st.text(st.characters(codec=None)), st.integers(0, 50))
def test_shortened_text_fits_its_cells(text: str, width: int) -> None:
    """Wide characters take two cells."""
    for shown in (shorten(text, width), cut(text, width)):
        assert cell_len(shown) <= width
        assert shown.isprintable()


def test_a_shortened_name_keeps_both_ends() -> None:
    """Names often differ by a number at their end."""
    assert shorten("a request of tenant 4711", 12) == "a requ… 4711"
    assert shorten("worker-" + "x" * 10_000 + "-17", 13) == "worker…xxx-17"
    assert shorten("\x1b[2Jname", 20) == "\\x1b[2Jname"


def test_a_cut_message_keeps_its_beginning() -> None:
    """A message says first what matters."""
    assert cut("connection refused by 10.0.0.1", 12) == "connection…"
    assert cut("refused", 12) == "refused"


def test_a_count_has_separators_and_a_plural() -> None:
    """Except for one."""
    assert count(1, "task") == "1 task"
    assert count(12_345, "task") == "12,345 tasks"


def test_a_misspelt_name_gets_the_nearest_suggestion() -> None:
    """Or none if nothing is near."""
    assert did_you_mean("laek", ["leak", "deadlock"]) == ": did you mean 'leak'?"
    assert did_you_mean("xyz", ["leak", "deadlock"]) == ""


def test_a_small_share_is_not_shown_as_zero() -> None:
    """The smallest is below one percent."""
    assert [percent(share) for share in (0, 0.0001, 0.014, 1)] == ["0 %", "<1 %", "1 %", "100 %"]
