"""Finds the calls of methods with certain names in a code object.

What the compiler makes of ``X.name(…)``, up to CPython 3.12 and from CPython 3.13 on::

    [NULL]; X; LOAD_METHOD name; …; CALL            of X.name(a, b)
    NULL; X; LOAD_ATTR name; …; CALL_FUNCTION_EX    of X.name(*a)
    X; LOAD_ATTR name; NULL; …; CALL_FUNCTION_EX    of X.name(*a) since CPython 3.13
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from asyncctx_trace.instrument.rewriting.bytecode import Assembly, Instruction

__all__ = ["MethodCall", "find_method_calls", "second_argument"]

_CALLS = frozenset({"CALL", "CALL_KW", "CALL_FUNCTION_EX"})
_PREFIXES = frozenset({"PRECALL", "KW_NAMES"})
_FLAG_BITS = 1 if sys.version_info >= (3, 12) else 0
"""How many low bits of the argument of LOAD_ATTR are not the number of the name."""
_NULL_BELOW = sys.version_info < (3, 13)
_STOPS = frozenset({"GET_AWAITABLE", "SEND", "YIELD_VALUE"})
"""A call with one of these among its arguments is passed over."""


@dataclass(frozen=True, slots=True)
class MethodCall:
    """One call of a method; positions are indices into the order of instructions."""

    name: str
    load: int
    """The instruction that loads the method; the object is at the top of the stack before it."""
    call: int
    """The instruction that calls it."""
    first: int
    """The first instruction of the call itself, after those that push its arguments."""
    below: int
    """How many items lie below those of the call: the depth of its result."""
    has_null: bool
    """Whether a NULL lies below the object."""


def find_method_calls(
    assembly: Assembly,
    order: Sequence[Instruction],
    depths: Mapping[Instruction, int],
    names: Collection[str],
) -> Iterator[MethodCall]:
    """Yield the calls of methods with one of these ``names``, in the order of the code.

    Args:
        assembly: The code.
        order: Its instructions.
        depths: The depth of the stack before each reachable instruction.
        names: The names of attributes.
    """
    numbers = {n: name for n, name in enumerate(assembly.code.co_names) if name in names}
    if not numbers:
        return
    for index, instruction in enumerate(order):
        if instruction.name == "LOAD_ATTR":
            name = numbers.get(instruction.arg >> _FLAG_BITS)
        elif instruction.name == "LOAD_METHOD":
            name = numbers.get(instruction.arg)
        else:
            continue
        if name is not None and instruction in depths:
            is_method = instruction.name == "LOAD_METHOD" or bool(instruction.arg & _FLAG_BITS)
            has_null = not is_method and _NULL_BELOW
            below = depths[instruction] - 1 - has_null
            call = _call_of(order, depths, index, below)
            if call is not None:
                first = call
                while order[first - 1].name in _PREFIXES:
                    first -= 1
                yield MethodCall(name, index, call, first, below, has_null)


def _call_of(
    order: Sequence[Instruction], depths: Mapping[Instruction, int], load: int, below: int
) -> int | None:
    """Return the index of the call of the method that is loaded at ``load``, ``None`` for none."""
    handler = order[load].handler
    for index in range(load + 1, len(order) - 1):
        instruction, after = order[index], depths.get(order[index + 1])
        if instruction not in depths or instruction.name in _STOPS:
            return None
        if instruction.handler is not handler:
            return None
        if after is not None and after <= below + 1:
            # Otherwise the method is not called, but stored, compared, passed on, …
            return index if instruction.name in _CALLS and after == below + 1 else None
    return None


def second_argument(order: Sequence[Instruction], call: MethodCall) -> tuple[int, bool] | None:
    """Return how deep the second argument lies before the call, and whether that is in a tuple.

    ``None`` if the call has none, or that is not known.
    """
    instruction = order[call.call]
    if instruction.name == "CALL_FUNCTION_EX":
        # From CPython 3.14 on there is always something for the keywords, which may be NULL.
        with_keywords = sys.version_info >= (3, 14) or instruction.arg & 1
        return (2 if with_keywords else 1), True
    if instruction.name != "CALL" or instruction.arg < 2 or order[call.first].name == "KW_NAMES":
        return None
    return instruction.arg - 1, False
