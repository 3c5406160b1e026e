"""Hiding a function does not change what it does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FunctionType
from typing import cast

import pytest

from asyncctx_trace.instrument.hidden_frames import hidden, suspended

if sys.version_info < (3, 12):
    pytest.skip("CPython 3.11 shows every frame", allow_module_level=True)


class Base:
    """A class with a method and an attribute."""

    word = "base"

    def say(self, *words: str) -> str:
        """Something."""
        return " ".join((self.word, *words))


class Derived(Base):
    """Uses every form of ``super()``."""

    @hidden
    def say(self, *words: str) -> str:
        """With zero arguments."""
        return super().say(*words) + super().word

    @hidden
    def in_a_closure(self) -> Callable[[], str]:
        """From a cell."""
        found = super().say("closure")
        return lambda: found + self.word

    @hidden
    def in_two_steps(self) -> str:
        """Where there is a name for it."""
        above = super()
        return above.say("two", "steps")


@pytest.mark.parametrize("_time", ["first", "second"])
def test_super_without_arguments(_time: str) -> None:
    """``super()`` looks for its class and object in the innermost visible frame."""
    derived = Derived()

    assert derived.say("hello") == "base hellobase"
    assert derived.in_a_closure()() == "base closurebase"
    assert derived.in_two_steps() == "base two steps"


def test_closures_and_defaults() -> None:
    """Parts of a function besides its code."""
    more = 3

    @hidden
    def plus(number: int = 1, *, times: int = 2) -> int:
        def inner() -> int:
            return (number + more) * times

        return inner()

    assert plus() == 8
    assert plus(2, times=10) == 50


def test_a_frame_is_on_no_stack_and_in_no_traceback() -> None:
    """An error propagates from the function that called it."""

    @hidden
    def fails(who: Callable[[], object]) -> None:
        who()
        raise ValueError("hidden")

    seen: list[str] = []
    with pytest.raises(ValueError, match="hidden") as failed:
        fails(lambda: seen.append(sys._getframe(1).f_code.co_name))

    assert seen == ["test_a_frame_is_on_no_stack_and_in_no_traceback"]
    assert failed.traceback[-1].name == "test_a_frame_is_on_no_stack_and_in_no_traceback"


def test_hiding_twice_is_hiding_once() -> None:
    """A sink may be attached again."""

    def handles() -> str:
        try:
            raise ValueError("hidden")
        except ValueError:
            return "handled"

    once = hidden(handles)
    twice = hidden(once)

    assert cast(FunctionType, twice).__code__ is cast(FunctionType, once).__code__
    assert twice() == "handled"


def test_exceptions_that_a_hidden_function_handles_are_not_reported() -> None:
    """By an exception or by a call."""
    reported: list[str] = []

    @suspended
    def handles(text: str) -> int:
        try:
            return int(text)
        except ValueError:
            return -1

    monitoring = sys.monitoring
    events = monitoring.events.RAISE | monitoring.events.PY_START | monitoring.events.PY_UNWIND
    monitoring.use_tool_id(2, "test")
    for event in (monitoring.events.RAISE, monitoring.events.PY_START):
        monitoring.register_callback(
            2, event, lambda code, *event_data: reported.append(code.co_name)
        )
    monitoring.set_events(2, events)
    result = handles("seven")
    monitoring.set_events(2, 0)
    monitoring.free_tool_id(2)

    assert result == -1
    if type(handles) is not FunctionType or sys.version_info >= (3, 15):
        assert "handles" not in reported


def test_a_hidden_function_may_be_called_with_keywords() -> None:
    """Whether it is native code or a hidden function that calls it."""

    @suspended
    def join(*words: str, between: str = " ") -> str:
        return between.join(words)

    assert join("a", "b", between="-") == "a-b"
