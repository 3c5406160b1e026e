"""Find the instructions of an ``await``, and have what fails among some report its error."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from asyncctx_trace.instrument.rewriting.bytecode import (
    Assembly,
    Handler,
    Instruction,
    UnsupportedCode,
)

__all__ = ["await_region", "guard"]

_SEND = 3 if sys.version_info >= (3, 15) else 2
"""How many instructions after a GET_AWAITABLE its SEND comes."""


def await_region(
    order: Sequence[Instruction], indices: Mapping[Instruction, int], index: int
) -> tuple[list[Instruction], Instruction]:
    """Return the instructions of an ``await``, and the one that comes after.

    Args:
        order: The instructions of the code.
        indices: The index of each.
        index: That of the GET_AWAITABLE.

    Raises:
        UnsupportedCode: No known compiler writes such an ``await``.
    """
    send, yielding = order[index + _SEND : index + _SEND + 2]
    if send.name != "SEND" or send.target is None or yielding.name != "YIELD_VALUE":
        raise UnsupportedCode("an await that does not send")
    end = indices[send.target]
    if send.target.name == "END_SEND":
        end += 1
    region = list(order[index:end])
    cleanup = yielding.handler.target if yielding.handler is not None else None
    if cleanup is not None and cleanup.name == "CLEANUP_THROW" and cleanup not in region:
        region.append(cleanup)
        back = order[indices[cleanup] + 1]
        if back.name.startswith("JUMP_BACKWARD"):
            region.append(back)
    return region, order[end]


def guard(
    assembly: Assembly,
    region: Sequence[Instruction],
    depth: int,
    more: int,
    failed: list[Instruction],
) -> None:
    """Have an exception that leaves ``region`` run ``failed`` first.

    Args:
        assembly: The code.
        region: The instructions.
        depth: How many items the stack below the exception then has.
        more: The number of items that were inserted below the region.
        failed: The instructions to run.
    """
    here = set(region)
    caller_outside = region[0].handler
    guarded = Handler(assembly.append(failed, caller_outside), depth, lasti=True)
    within: dict[Handler, Handler] = {}
    for instruction in region:
        handler = instruction.handler
        if handler is None or handler.target not in here:
            instruction.handler = guarded
        else:
            instruction.handler = within.setdefault(
                handler, Handler(handler.target, handler.depth + more, handler.lasti)
            )
