"""Insert calls of hooks around each ``async with`` of a compiled code object.

What the compiler makes of ``async with X as y: body``, with our hooks on the right::

    X                                        [.., manager]
                                             begin(site, manager)          -> handle
    look up both methods, call __aenter__    [.., handle, exit, awaitable]
    await  ······························•   any exception: not_entered(handle, error)
                                             entered(exit, handle)         -> exit
    y = …; body                              [.., exit]
                                             leaving(exit)                 -> handle
    exit(None, None, None)                   [.., handle, awaitable]
    await  ······························•   any exception: not_left(handle, error)
                                             left(handle)

    on an exception of the body:             [.., exit, …, error]
                                             failing(exit, error)
    exit(type, error, traceback)
    await  ······························•   any exception: not_cleaned(exit, error)
    if true: the next statement              suppressed(exit)
    else: raise                              passed_on(exit)

Up to CPython 3.13 the first step is one instruction and ``exit`` a bound method. From 3.14 on it
is six, and ``exit`` takes two stack items: a function, and its first argument or NULL.

The interpreter itself enters the manager of the statement. A hook runs before or after the manager
and is not on the stack while the manager runs. Between body and exit the handle is inside the
``exit`` that the interpreter keeps on its stack anyway: no local variable or block is added.
"""

from __future__ import annotations

import opcode
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import CodeType
from typing import TypeVar

from asyncctx_trace.instrument.rewriting.awaits import hook_awaits
from asyncctx_trace.instrument.rewriting.bytecode import (
    Assembly,
    Instruction,
    Position,
    UnsupportedCode,
    copy,
    make,
    pop,
    swap,
)
from asyncctx_trace.instrument.rewriting.guards import await_region, guard
from asyncctx_trace.instrument.rewriting.lock_calls import LockCalls, has_lock_calls
from asyncctx_trace.instrument.rewriting.protocol_calls import (
    ProtocolCalls,
    ProtocolHooks,
    has_protocol_calls,
)
from asyncctx_trace.instrument.rewriting.steered_awaits import SteeringRules, steer_awaits

__all__ = ["SUPPORTED", "Hooks", "with_hooks", "has_async_with"]

SUPPORTED = (3, 11) <= sys.version_info < (3, 16)
"""Whether this interpreter's code has the shape above."""

_IN_STEPS = sys.version_info >= (3, 14)
_ENTERING = (
    ("COPY", "LOAD_SPECIAL", "SWAP", "SWAP", "LOAD_SPECIAL", "CALL")
    if _IN_STEPS
    else ("BEFORE_ASYNC_WITH",)
)
_EXIT = 2 if _IN_STEPS else 1
"""How many stack items the exit takes."""
_AFTER_ENTER = 1
"""Argument of the GET_AWAITABLE that follows a call of ``__aenter__``."""
_AFTER_EXIT = 2
"""The same for ``__aexit__``."""
_GET_AWAITABLE = opcode.opmap["GET_AWAITABLE"]
_EXIT_CALL = 4 if sys.version_info >= (3, 12) else 5
"""How many instructions before the GET_AWAITABLE of an exit its call begins."""
_MORE_STACK = 8


@dataclass(frozen=True, slots=True)
class Hooks:
    """The functions to call; see the picture above."""

    begin: Callable[..., object]
    entered: Callable[..., object]
    not_entered: Callable[..., object]
    leaving: Callable[..., object]
    left: Callable[..., object]
    not_left: Callable[..., object]
    failing: Callable[..., object]
    suppressed: Callable[..., object]
    passed_on: Callable[..., object]
    not_cleaned: Callable[..., object]


def has_async_with(code: CodeType) -> bool:
    """Return whether ``code`` itself, not a function inside it, has an ``async with``."""
    raw = code.co_code
    return (_GET_AWAITABLE, _AFTER_ENTER) in zip(raw[::2], raw[1::2], strict=True)


P = TypeVar("P")


def with_hooks(
    code: CodeType,
    hooks: Hooks,
    make_site: Callable[[CodeType, Position, P | None], P],
    *consts: object,
    waiting: Callable[..., object] | None = None,
    by_hand: ProtocolHooks | None = None,
    locks: Callable[..., object] | None = None,
    steering: SteeringRules | None = None,
) -> CodeType:
    """Return ``code`` with hooks.

    Args:
        code: A code object of the compiler.
        hooks: The functions to call.
        make_site: Called with the code, the position of a context expression, and what it returned
            for the one before on the same line; returns the first argument of ``hooks.begin``.
        consts: Constants to add at the end.
        waiting: The hook at each other ``await``, if there is to be one.
        by_hand: The hooks around calls of ``__aenter__`` and ``__aexit__`` that the code awaits.
        locks: The hook at each ``with`` and each call of ``acquire()`` or ``release()``.
        steering: What may delay the awaits of the code, if it is steered.

    Raises:
        UnsupportedCode: No known compiler writes such code.
    """
    assembly = Assembly(code)
    last: dict[int | None, P] = {}

    def site_placed(position: Position) -> P:
        made = last[position[0]] = make_site(code, position, last.get(position[0]))
        return made

    depths = assembly.depths()
    blocks = _HookInsertion(assembly, hooks, depths)
    sync = LockCalls(assembly, locks, depths) if locks and has_lock_calls(code) else None
    calls = None
    if by_hand is not None and has_protocol_calls(code):
        calls = ProtocolCalls(assembly, by_hand, depths)
    # Their hooks come first, where the result of a call is entered by an `async with`.
    if calls is not None:
        calls.run(site_placed)
    blocks.run(site_placed)
    if sync is not None:
        sync.run(site_placed)
    if waiting is not None:
        hook_awaits(assembly, waiting, site_placed, frozenset() if calls is None else calls.awaits)
    if steering is not None:
        steer_awaits(assembly, steering)
    return assembly.assembled(*consts, stack=_MORE_STACK)


class _HookInsertion:
    """One pass that inserts hooks into one code object."""

    def __init__(self, assembly: Assembly, hooks: Hooks, depths: Mapping[Instruction, int]) -> None:
        self.assembly = assembly
        self.hooks = hooks
        self.order = tuple(assembly.instructions)
        self.index = {instruction: index for index, instruction in enumerate(self.order)}
        self.depths = depths

    def run(self, make_site: Callable[[Position], object]) -> None:
        for index, instruction in enumerate(self.order):
            if instruction not in self.depths:
                continue  # unreachable code of the compiler
            if instruction.op != _GET_AWAITABLE:
                continue
            if instruction.arg == _AFTER_ENTER:
                start = index - len(_ENTERING)
                if tuple(i.name for i in self.order[start:index]) != _ENTERING:
                    raise UnsupportedCode("an enter that begins in another way")
                # Before 3.13 the first instruction has the statement's position; the one before it
                # ends the context expression.
                of_item = self.order[start if sys.version_info >= (3, 13) else start - 1]
                self._insert_around_enter(start, index, make_site(of_item.position))
            elif instruction.arg == _AFTER_EXIT:
                if self.order[index - 1].name == "WITH_EXCEPT_START":
                    self._insert_around_failed_exit(index - 1)
                else:
                    self._insert_around_exit(index)

    def _insert_around_enter(self, start: int, index: int, site: object) -> None:
        """Handle the enter from ``start`` on, with its GET_AWAITABLE at ``index``."""
        before = self.order[start]
        assembly, hooks = self.assembly, self.hooks
        region, after = await_region(self.order, self.index, index)
        below = self.depths[before] - 1
        # [manager] -> [handle, manager]
        begin = assembly.call(hooks.begin, assembly.const(site), copy(4))
        assembly.insert(before, [*begin, swap(2)])
        guard(
            self.assembly,
            [*self.order[start:index], *region],
            below + 1,
            more=1,
            failed=self._call_and_reraise(hooks.not_entered, 3),
        )
        # [handle, exit, value] -> [exit, value, handle]: from here on an exception, such as a
        # KeyboardInterrupt in the hook, finds the exit where the interpreter expects it.
        assembly.insert(after, [swap(depth) for depth in range(2, _EXIT + 3)])
        # -> [exit, value]
        entered = assembly.call(hooks.entered, copy(_EXIT + 4), copy(4))
        assembly.insert(after, [*entered, swap(_EXIT + 3), pop(), pop()])

    def _insert_around_exit(self, index: int) -> None:
        """Handle the exit after a body that did not fail; ``index`` is its GET_AWAITABLE."""
        start = index - _EXIT_CALL
        if {i.name for i in self.order[start : start + 3]} - {"LOAD_CONST", "LOAD_COMMON_CONSTANT"}:
            raise UnsupportedCode("an exit that is not called with None, None, None")
        first = self.order[start]
        assembly, hooks = self.assembly, self.hooks
        region, after = await_region(self.order, self.index, index)
        below = self.depths[first] - _EXIT
        # [exit] -> [handle, exit]
        leaving = assembly.call(hooks.leaving, copy(_EXIT + 2))
        assembly.insert(first, [*leaving, *(swap(depth) for depth in range(_EXIT + 1, 1, -1))])
        guard(
            self.assembly,
            [*self.order[start:index], *region],
            below + 1,
            more=1,
            failed=self._call_and_reraise(hooks.not_left, 3),
        )
        # [handle, result] -> [result]
        left = assembly.call(hooks.left, copy(3))
        assembly.insert(after, [swap(2), *left, pop(), pop()])

    def _insert_around_failed_exit(self, index: int) -> None:
        """Handle the exit after a body that failed; ``index`` is its WITH_EXCEPT_START."""
        before = self.order[index]
        assembly, hooks = self.assembly, self.hooks
        region, after = await_region(self.order, self.index, index + 1)
        end = self.index[after]
        if after.name == "TO_BOOL":
            end += 1
        decision, otherwise = self.order[end : end + 2]
        if otherwise.name == "NOT_TAKEN":
            otherwise = self.order[end + 2]
        if not decision.name.endswith("IF_TRUE") or otherwise.name != "RERAISE":
            raise UnsupportedCode("an exit whose result decides nothing")
        assert decision.target is not None
        # All of these: [exit, last instruction, previous error, error]
        exit = _EXIT + 5
        # From CPython 3.14 on the manager lies above its exit.
        manager = [copy(exit + 1)] if _IN_STEPS else []
        failing = assembly.call(hooks.failing, copy(exit), copy(4), *manager)
        assembly.insert(before, [*failing, pop()])
        guard(
            self.assembly,
            [before, *region, *self.order[self.index[after] : end + 1]],
            self.depths[before],
            more=0,
            failed=self._call_and_reraise(hooks.not_cleaned, exit),
        )
        assembly.insert(otherwise, [*assembly.call(hooks.passed_on, copy(exit)), pop()])
        assembly.insert(decision.target, [*assembly.call(hooks.suppressed, copy(exit)), pop()])

    def _call_and_reraise(self, hook: Callable[..., object], depth: int) -> list[Instruction]:
        """Return a call of ``hook`` with the item at ``depth`` and the error, which is re-raised.

        The stack is [.., last instruction, error]. The error does not become the current one, and
        its traceback gets no entry: RERAISE continues where the exception came from.
        """
        call = self.assembly.call(hook, copy(depth + 2), copy(4))
        return [*call, pop(), make("RERAISE", 1)]
