"""Patch functions of other packages, so that hooks see values that go in or come out.

The function stays the same object, with its name, signature and identity. A hook is off the stack
before the function's own code continues, so nothing is visible from outside; setting the old code
again undoes the patch.
"""

from __future__ import annotations

import opcode
import sys
from collections.abc import Callable
from types import CodeType

from asyncctx_trace.instrument.hidden_frames import as_hook
from asyncctx_trace.instrument.rewriting.bytecode import (
    Assembly,
    Handler,
    Instruction,
    UnsupportedCode,
    copy,
    make,
    pop,
    swap,
)

__all__ = [
    "calling_after_store",
    "beginning_with",
    "filtering_argument",
    "filtering_awaitable",
    "filtering_result",
    "returning_if",
    "watched",
]

_MORE_STACK = 8
_JUMP_IF_FALSE = "POP_JUMP_IF_FALSE" if sys.version_info >= (3, 12) else "POP_JUMP_FORWARD_IF_FALSE"


def filtering_argument(
    code: CodeType, name: str, look: Callable[[object], object], *consts: object
) -> CodeType:
    """Return ``code`` that begins with ``name = look(name)``; may raise UnsupportedCode."""
    assembly = Assembly(code)
    start = _start(assembly)
    load = _argument(code, name)
    store = make(load.name.replace("LOAD", "STORE"), load.arg)
    assembly.insert(start, [*assembly.call(as_hook(look), load), store], once=True)
    return assembly.assembled(*consts, stack=_MORE_STACK)


def beginning_with(
    code: CodeType, call: Callable[..., object], *consts: object, arguments: tuple[str, ...] = ()
) -> CodeType:
    """Return ``code`` that begins with ``call(*arguments)``; may raise UnsupportedCode."""
    assembly = Assembly(code)
    loads = [_argument(code, name) for name in arguments]
    assembly.insert(_start(assembly), [*assembly.call(as_hook(call), *loads), pop()], once=True)
    return assembly.assembled(*consts, stack=_MORE_STACK)


def returning_if(code: CodeType, condition: Callable[[], bool], *consts: object) -> CodeType:
    """``code`` that begins with ``if condition(): return``."""
    assembly = Assembly(code)
    passed = make("NOP")  # not the first instruction of the function: jumps there come here first
    jump = make(_JUMP_IF_FALSE)
    jump.target = passed
    not_taken = [make("NOT_TAKEN")] if "NOT_TAKEN" in opcode.opmap else []
    leave = [jump, *not_taken, assembly.const(None), make("RETURN_VALUE"), passed]
    assembly.insert(_start(assembly), [*assembly.call(as_hook(condition)), *leave], once=True)
    return assembly.assembled(*consts, stack=_MORE_STACK)


def filtering_result(code: CodeType, look: Callable[[object], object], *consts: object) -> CodeType:
    """Return ``code`` whose every ``return value`` is ``return look(value)``."""
    assembly = Assembly(code)
    for instruction in tuple(assembly.instructions):
        if instruction.name == "RETURN_VALUE":
            assembly.insert(instruction, [*assembly.call(as_hook(look), copy(3)), swap(2), pop()])
    return assembly.assembled(*consts, stack=_MORE_STACK)


def filtering_awaitable(
    code: CodeType, look: Callable[..., object], variables: tuple[str, ...], *consts: object
) -> CodeType:
    """Return ``code`` whose every ``await f(*args)`` awaits ``look(f(*args), variables…)``."""
    assembly = Assembly(code)
    loads = [make("LOAD_FAST", code.co_varnames.index(name)) for name in variables]
    previous = assembly.instructions[0]
    for instruction in tuple(assembly.instructions):
        if instruction.name == "GET_AWAITABLE" and previous.name == "CALL_FUNCTION_EX":
            assembly.insert(
                instruction, [*assembly.call(as_hook(look), copy(3), *loads), swap(2), pop()]
            )
        previous = instruction
    return assembly.assembled(*consts, stack=_MORE_STACK)


def watched(
    code: CodeType,
    started: Callable[..., object],
    ended: Callable[..., object],
    failed: Callable[..., object],
    arguments: int,
    *consts: object,
) -> CodeType:
    """Return ``code`` that reports the start and the end of each of its calls.

    ``started`` is called with the first ``arguments`` arguments. What it returns is passed to
    ``ended`` with the result, or to ``failed`` with the error; meanwhile it is at the bottom of the
    stack.
    """
    assembly = Assembly(code)
    original = tuple(assembly.instructions)
    start = _start(assembly)
    depths = assembly.depths()
    if depths[start]:
        raise UnsupportedCode("a function that begins with something on its stack")
    loads = [_argument(code, name) for name in code.co_varnames[:arguments]]
    # Before the others: the first instruction may be the one that returns.
    assembly.insert_unguarded(start, assembly.call(as_hook(started), *loads), once=True)
    failure = [*assembly.call(as_hook(failed), copy(5), copy(4)), pop(), make("RERAISE", 1)]
    for instruction in original:
        if instruction.name == "RETURN_VALUE":
            tell = assembly.call(as_hook(ended), copy(4), copy(4))
            # Without a handler: those of the function know nothing of what is below their stack.
            assembly.insert_unguarded(instruction, [*tell, pop(), swap(2), pop()])
        elif instruction.name == "RETURN_CONST":
            value = Instruction(make("LOAD_CONST").op, instruction.arg)
            tell = assembly.call(as_hook(ended), copy(3), value)
            assembly.insert_unguarded(instruction, [*tell, pop(), pop()])
    guard = Handler(assembly.append(failure, None), 1, lasti=True)
    deeper: dict[Handler, Handler] = {}
    begun = False
    for instruction in original:
        begun = begun or instruction is start
        if not begun:  # a signal's exception may come out of RESUME, when nothing is stacked yet
            instruction.handler = None
            continue
        handler = instruction.handler
        if handler is not None:
            instruction.handler = deeper.setdefault(
                handler, Handler(handler.target, handler.depth + 1, handler.lasti)
            )
        else:
            instruction.handler = guard
    return assembly.assembled(*consts, stack=_MORE_STACK)


def calling_after_store(
    code: CodeType, value: str, look: Callable[..., object], argument: str, *consts: object
) -> CodeType:
    """Return ``code`` that calls ``look(argument)`` after it has stored ``….value``."""
    assembly = Assembly(code)
    # Up to CPython 3.11 the argument is the number of the name, from then on twice that.
    number = code.co_names.index(value) if value in code.co_names else -1
    loads = (number, number << 1)
    order = assembly.instructions
    for index in range(2, len(order) - 1):
        load, store = order[index - 2], order[index]
        if load.name == "LOAD_ATTR" and load.arg in loads and store.name == "STORE_ATTR":
            call = assembly.call(as_hook(look), _argument(code, argument))
            assembly.insert(order[index + 1], [*call, pop()])
            return assembly.assembled(*consts, stack=_MORE_STACK)
    raise UnsupportedCode(f"a function that stores no {value}")


def _start(assembly: Assembly) -> Instruction:
    """Return the first instruction of the function itself."""
    for index, instruction in enumerate(assembly.instructions):
        if instruction.name == "RESUME":
            return assembly.instructions[index + 1]
    raise UnsupportedCode("a function that never begins")


def _argument(code: CodeType, name: str) -> Instruction:
    count = code.co_argcount + code.co_kwonlyargcount
    if name not in code.co_varnames[:count]:
        raise UnsupportedCode(f"a function without an argument {name}")
    # An argument that inner functions use is in a cell, in the same slot.
    how = "LOAD_DEREF" if name in code.co_cellvars else "LOAD_FAST"
    return make(how, code.co_varnames.index(name))
