"""Each condition has one spelling, and a wrong one says how to write it."""

from __future__ import annotations

import pytest

from asyncctx_trace.dumps.conditions import Condition, parse_conditions
from asyncctx_trace.dumps.options import DumpOptions
from asyncctx_trace.errors import AsyncctxTraceError

MS = 1_000_000


@pytest.mark.parametrize(
    ("text", "kind", "limit"),
    [
        ("wait>2s", "wait", 2_000 * MS),
        ("wait(db pool) > 5ms", "wait", 5 * MS),
        ("full>1min", "full", 60_000 * MS),
        ("lag>200ms", "lag", 200 * MS),
        ("deadlock", "deadlock", 0),
        ("leak", "leak", 0),
        ("enter-error", "enter-error", 0),
        ("error(TimeoutError, OSError)", "error", 0),
    ],
)
def test_a_condition_is_a_word_with_names_and_a_limit(text: str, kind: str, limit: int) -> None:
    """Names in parentheses, the limit after ``>``."""
    condition = Condition.parse(text)

    assert (condition.kind, condition.limit, condition.text) == (kind, limit, text)


def test_a_wait_may_be_compared_with_what_is_usual() -> None:
    """As a multiple of the 99th percentile."""
    condition = Condition.parse("wait(db*)>10*p99")

    assert (condition.kind, condition.factor, condition.names) == ("slow wait", 10.0, ("db*",))


def test_names_are_patterns_in_which_only_stars_and_question_marks_are_special() -> None:
    """Names of resources often contain brackets and parentheses."""
    pool = Condition.parse('full(app["db"].pool (limit=?)*)>1s')

    assert pool.matches('app["db"].pool (limit=2) of shop')
    assert not pool.matches('app["db"].pool (limit=20)')
    assert Condition.parse("full>1s").matches("anything")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("waits>2s", "did you mean 'wait'"),
        ("wait", "wait>2s"),
        ("wait>soon", "wait>2s"),
        ("full>10*p99", "full(db pool)>5s"),
        ("deadlock>2s", "use for example deadlock"),
        ("deadlock(a)", "use for example deadlock"),
        ("lag>5ms", "less than 100ms is not noticed"),
        ("SIGKILL", "not a signal that a program can receive"),
        ("SIGUSR3", "not a signal that a program can receive"),
    ],
)
def test_a_wrong_condition_says_how_to_write_it(text: str, message: str) -> None:
    """In one line."""
    with pytest.raises(AsyncctxTraceError) as raised:
        parse_conditions([text])

    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"befor": "1s"}, "did you mean 'before'"),
        ({"before": "long"}, "before: invalid duration"),
        ({"dump_limit": "1h"}, "is not a size"),
        ({"dumps_per_hour": 0}, "use a number from 1 to 3600"),
        ({"on": [5]}, "use a list of conditions"),
    ],
)
def test_a_wrong_option_of_dumps_is_named(given: dict[str, object], message: str) -> None:
    """Whether it comes from a call, the command line or the settings."""
    with pytest.raises(AsyncctxTraceError) as raised:
        DumpOptions.parse(given)

    assert message in str(raised.value)
