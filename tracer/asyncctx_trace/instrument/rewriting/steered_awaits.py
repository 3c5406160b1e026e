"""Let steering exchange what a task waits for, at the suspensions that an order names.

What the compiler makes of an ``await``, with our call on the right (see also ``awaits``)::

    SEND end                                 [.., awaited, value]
                                             suspends(point, value)        -> other value
    YIELD_VALUE                              [.., awaited, sent]

Nothing is inserted anywhere else, and nothing at all without an order.
"""

from __future__ import annotations

import opcode
import sys
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from asyncctx_trace.instrument.hidden_frames import as_hook
from asyncctx_trace.instrument.rewriting.bytecode import (
    Assembly,
    Instruction,
    copy,
    make,
    pop,
    swap,
)

__all__ = ["Steered", "SteeringRules", "steer_awaits"]

_SEND = opcode.opmap["SEND"]
_BEFORE_SEND = 3 if sys.version_info >= (3, 15) else 2
"""How many instructions before SEND the GET_AWAITABLE stands."""
_AFTER_EXIT = 2
"""Argument of the GET_AWAITABLE that follows a call of ``__aexit__``."""
_READS_SEND = sys.version_info < (3, 12)
"""Whether ``throw()`` reads the target of the SEND that stands right before the YIELD_VALUE."""
_LOOK_BACK = 16
"""How many instructions before a GET_AWAITABLE the enter of an ``async with`` begins at most."""


class Steered(NamedTuple):
    """What steers one ``await``."""

    point: Any
    suspends: Callable[[Any, Any], Any]
    """Called with the point and what was yielded; returns what is yielded instead."""


class SteeringRules(Protocol):
    """Decides which awaits are steered."""

    def points(self, file: str, lines: frozenset[int], in_exit: bool) -> Steered | None:
        """Return what steers an await on one of ``lines``, ``None`` for nothing."""

    def wants(self, file: str) -> bool:
        """Return whether anything in ``file`` may be steered."""


def steer_awaits(assembly: Assembly, rules: SteeringRules) -> None:
    """Insert a call at each suspension that ``rules`` name; after all other hooks."""
    order = assembly.instructions
    file = assembly.code.co_filename
    for index, send in enumerate(order):
        if send.op != _SEND or order[index + 1].name != "YIELD_VALUE":
            continue
        getting = order[index - _BEFORE_SEND]
        in_exit = getting.name == "GET_AWAITABLE" and getting.arg == _AFTER_EXIT
        steered = rules.points(file, _lines(order, index - _BEFORE_SEND), in_exit)
        if steered is None:
            continue
        call = assembly.call(as_hook(steered.suspends), assembly.const(steered.point), copy(4))
        added = [*call, swap(2), pop()]
        if _READS_SEND:
            # CPython 3.11 steps back from the YIELD_VALUE and takes what is there for the SEND.
            added += [make("JUMP_FORWARD", 1), Instruction(_SEND, target=send.target)]
        assembly.insert(order[index + 1], added)


def _lines(order: list[Instruction], index: int) -> frozenset[int]:
    """Return the lines of the ``await`` whose GET_AWAITABLE is at ``index``.

    The context expression of an ``async with`` may be on another line than the statement.
    """
    getting = order[index]
    lines = {getting.position[0]}
    if getting.name == "GET_AWAITABLE" and getting.arg == 1:
        for before in reversed(order[max(0, index - _LOOK_BACK) : index]):
            if before.position != getting.position:
                lines.add(before.position[0])
                break
    return frozenset(line for line in lines if line is not None)
