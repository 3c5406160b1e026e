"""Random programs behave the same with and without the tracer, and are recorded correctly."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instrument.rewriting.random_programs import program, runs_the_same

ERRORS = ("ValueError", "KeyError", "TimeoutError", "asyncio.CancelledError")
errors = st.sampled_from(ERRORS)

managers = st.fixed_dictionaries(
    {
        "enter": st.none() | errors,
        "exit": st.sampled_from(["pass", "suppress", "raise", "replace", "same", "odd"]),
        "error": errors,
        "awaits": st.integers(0, 2),
    }
)
simple = st.one_of(
    st.tuples(st.just("raise"), errors),
    st.just(("cancel",)),
    st.just(("await",)),
    st.just(("return",)),
)


def blocks(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A statement that has others inside."""
    body = st.lists(inner, max_size=3)
    return st.one_of(
        st.tuples(st.just("with"), st.lists(managers, min_size=1, max_size=3), body),
        st.tuples(st.just("protocol"), managers, body),
        st.tuples(st.just("stack"), st.lists(managers, min_size=1, max_size=2), body),
        st.tuples(st.just("generator"), managers, body, st.booleans()),
        st.tuples(st.just("try"), body, st.sampled_from(["except", "finally"]), body),
        st.tuples(st.just("loop"), body, st.sampled_from(["break", "continue"])),
    )


programs = st.lists(st.recursive(simple, blocks, max_leaves=8), min_size=1, max_size=3)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(programs)
def test_a_random_program_runs_the_same_and_is_recorded_as_it_ran(statements: Any) -> None:
    """On this interpreter."""
    runs_the_same(program(statements))
