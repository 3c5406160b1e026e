"""What the marks around an ``async with`` do: they tell the lifecycle where it has come to.

Each runs for a moment in the program's own task and context, off the stack when the manager
runs, and lets no error of ours out. ``rewriting`` shows where each of them stands.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from asyncctx_trace.instrument import hub
from asyncctx_trace.instrument.invisible import quietly, unobserved
from asyncctx_trace.instrument.lifecycle import (
    Acquisition,
    enter_ended,
    enter_started,
    exit_ended,
    exit_started,
)
from asyncctx_trace.instrument.resources import _kinds, at_place, kind_of
from asyncctx_trace.instrument.rewriting import Marks
from asyncctx_trace.instrument.sites import Place

__all__ = ["MARKS"]


class Exit(partial[Any]):
    """The manager's bound ``__aexit__`` with the acquisition that it will end.

    The interpreter keeps it in place of the method until it calls it. A ``partial`` is called
    in C and passes straight on: no frame of ours is below the manager's.
    """

    __slots__ = ("acquisition",)
    acquisition: Acquisition


@unobserved
def begin(place: Place, manager: object) -> Acquisition | None:
    """The ticket of an acquisition, ``None`` for one that is not told of."""
    try:
        if hub.listening is None:
            return None
        cls = type(manager)
        kind = _kinds.get(id(cls)) or quietly(kind_of, cls)
        if not kind.manager or kind.traced:
            return None
        site = place.site or quietly(place.arrive)
        return enter_started(kind.manager, at_place(place, manager, kind), site)
    except RecursionError:  # the program is at the end of its stack, and there is no room to tell
        return None
    except Exception as error:
        hub.switch_off(hub.listening, error)
        return None


@unobserved
def entered(exit: Callable[..., Any], ticket: Acquisition | None) -> Callable[..., Any]:
    """What the interpreter shall keep as the exit."""
    if ticket is None:
        return exit
    try:
        enter_ended(ticket, None)
    except RecursionError:
        return exit
    wrapped = Exit(exit)
    wrapped.acquisition = ticket
    return wrapped


@unobserved
def not_entered(ticket: Acquisition | None, error: BaseException) -> None:
    try:
        if ticket is not None:
            enter_ended(ticket, error)
    except RecursionError:
        pass


@unobserved
def leaving(exit: Callable[..., Any]) -> Acquisition | None:
    if type(exit) is not Exit:
        return None
    ticket = exit.acquisition
    try:
        exit_started(ticket, None)
    except RecursionError:
        pass
    return ticket


@unobserved
def left(ticket: Acquisition | None) -> None:
    try:
        if ticket is not None:
            exit_ended(ticket, None, False)
    except RecursionError:
        pass


@unobserved
def not_left(ticket: Acquisition | None, error: BaseException) -> None:
    try:
        if ticket is not None:
            exit_ended(ticket, error, False)
    except RecursionError:
        pass


@unobserved
def failing(exit: Callable[..., Any], error: BaseException) -> None:
    try:
        if type(exit) is Exit:
            exit_started(exit.acquisition, error)
    except RecursionError:
        pass


@unobserved
def suppressed(exit: Callable[..., Any]) -> None:
    try:
        if type(exit) is Exit:
            exit_ended(exit.acquisition, None, True)
    except RecursionError:
        pass


@unobserved
def passed_on(exit: Callable[..., Any]) -> None:
    try:
        if type(exit) is Exit:
            exit_ended(exit.acquisition, None, False)
    except RecursionError:
        pass


@unobserved
def not_cleaned(exit: Callable[..., Any], error: BaseException) -> None:
    try:
        if type(exit) is Exit:
            exit_ended(exit.acquisition, error, False)
    except RecursionError:
        pass


MARKS = Marks(
    begin=begin,
    entered=entered,
    not_entered=not_entered,
    leaving=leaving,
    left=left,
    not_left=not_left,
    failing=failing,
    suppressed=suppressed,
    passed_on=passed_on,
    not_cleaned=not_cleaned,
)
