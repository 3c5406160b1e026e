"""Adds a hook to each ``await`` of a code object, called when what is awaited suspends.

What the compiler makes of ``await X``, with our hook on the right::

    X; GET_AWAITABLE; LOAD_CONST None        [.., awaited, None]
    SEND end                                 [.., awaited, value]
                                             suspending(site, awaited, value)
    YIELD_VALUE                              [.., awaited, sent]
    RESUME; JUMP_BACKWARD to SEND
    end:                                     [.., result]

An ``await`` that does not suspend never comes by the hook. `async for` has the same loop.
"""

from __future__ import annotations

import inspect
import opcode
import sys
from collections.abc import Callable, Collection, Iterator
from types import CodeType

from asyncctx_trace.instrument.rewriting.bytecode import (
    Assembly,
    Instruction,
    Position,
    copy,
    make,
    pop,
)

__all__ = ["has_awaits", "hook_awaits"]

_SEND = opcode.opmap["SEND"]
_COROUTINE = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_BELOW = 1 if sys.version_info >= (3, 15) else 0
"""How many items lie between what is awaited and the value: CPython 3.15 keeps an index there."""
_BEFORE_SEND = 3 if sys.version_info >= (3, 15) else 2
"""How many instructions before SEND the GET_AWAITABLE stands."""
_READS_SEND = sys.version_info < (3, 12)
"""Whether ``throw()`` reads the target of the SEND that stands right before the YIELD_VALUE."""


def has_awaits(code: CodeType) -> bool:
    """Whether ``code`` is that of a coroutine or an asynchronous generator, and awaits."""
    return bool(code.co_flags & _COROUTINE) and _SEND in code.co_code[::2]


def hook_awaits(
    assembly: Assembly,
    hook: Callable[..., object],
    place: Callable[[Position], object],
    besides: Collection[Instruction] = (),
    loads: tuple[Instruction, ...] | None = None,
) -> None:
    """Have every ``await`` call ``hook(place(position), awaited, value)`` before it yields.

    The enters and exits of ``async with`` are left out, and the GET_AWAITABLEs in ``besides``. With
    ``loads``, it calls ``hook(place(position), value, *loads)``.
    """
    for send, yielding, position in list(_awaits(assembly, besides)):
        site = assembly.const(place(position))
        arguments: tuple[Instruction, ...]
        if loads is None:
            arguments = site, copy(5 + _BELOW), copy(5)
        else:
            arguments = site, copy(4), *(make(load.name, load.arg) for load in loads)
        added = [*assembly.call(hook, *arguments), pop()]
        if _READS_SEND:
            # CPython 3.11 steps back from the YIELD_VALUE and takes what is there for the SEND.
            added += [make("JUMP_FORWARD", 1), Instruction(_SEND, target=send.target)]
        assembly.insert(yielding, added)


def _awaits(
    assembly: Assembly, besides: Collection[Instruction]
) -> Iterator[tuple[Instruction, Instruction, Position]]:
    order = assembly.instructions
    for index, instruction in enumerate(order):
        if instruction.op != _SEND:
            continue
        getting = order[index - _BEFORE_SEND]
        yielding = order[index + 1]
        if yielding.name != "YIELD_VALUE":
            continue
        if getting.name == "GET_AWAITABLE" and getting.arg:  # of an `async with`
            continue
        if getting in besides:
            continue
        yield instruction, yielding, getting.position
