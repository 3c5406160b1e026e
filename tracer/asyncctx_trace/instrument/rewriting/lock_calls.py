"""Put a lock proxy in the place of what a ``with`` enters, and whose ``acquire()`` is called.

With our hook on the right::

    with X:                                  [.., X]
                                             lock_proxy(site, X)             -> X or a lock proxy
    X.acquire(…), X.release()                [.., X]
                                             lock_proxy(site, X)
    look up the method, push the arguments, call it

The hook returns ``X`` itself unless that is a lock of threads. Nothing is added after it: a
``with`` on anything else costs one call of a function in C.
"""

from __future__ import annotations

import opcode
import sys
from collections.abc import Callable, Iterator, Mapping
from types import CodeType

from asyncctx_trace.instrument.rewriting.bytecode import (
    Assembly,
    Instruction,
    Position,
    copy,
    pop,
    swap,
)
from asyncctx_trace.instrument.rewriting.method_calls import find_method_calls

__all__ = ["LockCalls", "has_lock_calls"]

_METHODS = frozenset({"acquire", "release"})
_IN_STEPS = sys.version_info >= (3, 14)
_STEPS = ("COPY", "LOAD_SPECIAL", "SWAP", "SWAP", "LOAD_SPECIAL", "CALL")
_ENTER = opcode.opmap["LOAD_SPECIAL" if _IN_STEPS else "BEFORE_WITH"]
_ENTER_ARGUMENT = 0
"""Argument of the LOAD_SPECIAL that looks up ``__enter__``, and of BEFORE_WITH."""


def has_lock_calls(code: CodeType) -> bool:
    """Return whether ``code`` itself has a ``with``, or may call a method named like a lock's."""
    raw = code.co_code
    return not _METHODS.isdisjoint(code.co_names) or (_ENTER, _ENTER_ARGUMENT) in zip(
        raw[::2], raw[1::2], strict=True
    )


class LockCalls:
    """One pass that inserts the hook into one code object."""

    def __init__(
        self, assembly: Assembly, hook: Callable[..., object], depths: Mapping[Instruction, int]
    ) -> None:
        self.assembly = assembly
        self.hook = hook
        self.order = tuple(assembly.instructions)
        self.depths = depths

    def run(self, make_site: Callable[[Position], object]) -> None:
        """Insert the hook; see :func:`async_with.with_hooks` for ``make_site``."""
        for before, position in sorted(self._places(), key=lambda place: place[0]):
            site = self.assembly.const(make_site(position))
            added = [*self.assembly.call(self.hook, site, copy(4)), swap(2), pop()]
            self.assembly.insert(self.order[before], added)

    def _places(self) -> Iterator[tuple[int, Position]]:
        """Yield the index of each instruction that finds the object, and the object's position."""
        for index, instruction in enumerate(self.order):
            if instruction.op != _ENTER or instruction.arg != _ENTER_ARGUMENT:
                continue
            if instruction not in self.depths:
                continue
            start = self._start(index)
            if start is not None:
                # Before 3.13 the first instruction has the statement's position.
                of_item = self.order[start if sys.version_info >= (3, 13) else start - 1]
                yield start, of_item.position
        for call in find_method_calls(self.assembly, self.order, self.depths, _METHODS):
            if self.order[call.call + 1].name != "GET_AWAITABLE":  # no lock of threads
                yield call.load, self.order[call.load - 1].position

    def _start(self, index: int) -> int | None:
        if not _IN_STEPS:
            return index
        start = index - _STEPS.index("CALL") + 1
        found = self.order[max(0, start) : index + 2]
        return start if tuple(map(_name, found)) == _STEPS else None


def _name(instruction: Instruction) -> str:
    return instruction.name
