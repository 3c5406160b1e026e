"""Disassemble a code object into instructions, add some, and assemble it again.

Jumps and exception handlers refer to instructions instead of offsets, so an insertion changes
nothing else::

    code = Assembly(function.__code__)
    code.insert(code.instructions[3], code.call(print, copy(1)))
    function.__code__ = code.assembled()

Line numbers and columns, the ranges of ``try``, and the depth of the stack at every other
instruction stay the same.
"""

from __future__ import annotations

import dis
import opcode
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import CodeType
from typing import Any

__all__ = [
    "Assembly",
    "Handler",
    "Instruction",
    "Position",
    "UnsupportedCode",
    "copy",
    "exception_table",
    "make",
    "pop",
    "swap",
]

Position = tuple[int | None, int | None, int | None, int | None]
"""line, end line and, in bytes, column, end column"""

NOWHERE: Position = (None, None, None, None)
_UNIT = 2
_EXTENDED_ARG = opcode.opmap["EXTENDED_ARG"]
_LOAD_CONST = opcode.opmap["LOAD_CONST"]
_RETURN_GENERATOR = opcode.opmap["RETURN_GENERATOR"]
_JUMPS = frozenset(opcode.hasjrel)
_END_ASYNC_FOR = opcode.opmap["END_ASYNC_FOR"]
"""From CPython 3.14 on its argument locates its loop; it does not jump."""
_BACKWARD = frozenset(
    op for op in _JUMPS if "BACKWARD" in opcode.opname[op] or op == _END_ASYNC_FOR
)
_ENDS_FLOW = frozenset(
    opcode.opmap[name]
    for name in ("RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE")
    if name in opcode.opmap
)
_JUMPS_ALWAYS = frozenset(
    op for op in _JUMPS if opcode.opname[op].startswith("JUMP_") and "_IF_" not in opcode.opname[op]
)


def _cache_units() -> list[int]:
    known: Any = opcode._inline_cache_entries  # type: ignore[attr-defined]  # noqa: SLF001 - as `dis`
    if isinstance(known, Mapping):  # a list up to CPython 3.12
        return [known.get(name, 0) for name in opcode.opname]
    return list(known)


_CACHES = _cache_units()


class UnsupportedCode(Exception):
    """No known compiler writes code of this shape: it is left unchanged."""


@dataclass(eq=False, slots=True)
class Handler:
    """The target of an exception: one entry of the exception table."""

    target: Instruction
    depth: int
    """How many items stay on the stack."""
    lasti: bool
    """Whether the offset of the instruction that raised is pushed below the exception."""


@dataclass(eq=False, slots=True)
class Instruction:
    """One instruction with its argument, its position in the source and its handler."""

    op: int
    arg: int = 0
    position: Position = NOWHERE
    handler: Handler | None = None
    target: Instruction | None = None
    """The target, if it jumps."""

    @property
    def name(self) -> str:
        """The name, such as ``LOAD_CONST``."""
        return opcode.opname[self.op]


def make(name: str, arg: int = 0) -> Instruction:
    """Return a new instruction."""
    return Instruction(opcode.opmap[name], arg)


def copy(depth: int) -> Instruction:
    """Return an instruction that pushes the item at ``depth``; the top is 1."""
    return make("COPY", depth)


def swap(depth: int) -> Instruction:
    """Return an instruction that exchanges the top with the item at ``depth``."""
    return make("SWAP", depth)


def pop() -> Instruction:
    """Return an instruction that drops the top."""
    return make("POP_TOP")


class Assembly:
    """The instructions of a code object, in order."""

    def __init__(self, code: CodeType) -> None:
        self.code = code
        self.consts = list(code.co_consts)
        self.instructions: list[Instruction] = []
        self._entries: dict[Instruction, Instruction] = {}
        """Instruction -> the first of those inserted in front of it, the target of jumps to it."""
        self._insertions: dict[Instruction, list[Instruction]] = {}
        self._take_apart()

    def _take_apart(self) -> None:
        raw = self.code.co_code
        positions = list(self.code.co_positions())
        at: dict[int, Instruction] = {}
        jumps: list[tuple[Instruction, int]] = []
        start = offset = arg = 0
        size = len(raw)
        while offset < size:
            op = raw[offset]
            arg = arg << 8 | raw[offset + 1]
            if op == _EXTENDED_ARG:
                offset += _UNIT
                continue
            instruction = Instruction(op, arg, positions[offset // _UNIT])
            at[start] = instruction
            offset += _UNIT + _CACHES[op] * _UNIT
            if op in _JUMPS:
                jumps.append((instruction, offset + (-arg if op in _BACKWARD else arg) * _UNIT))
            self.instructions.append(instruction)
            start, arg = offset, 0
        for instruction, where in jumps:
            instruction.target = at[where]
        starts = sorted(at)
        for begin, end, target, depth, lasti in exception_table(self.code.co_exceptiontable):
            handler = Handler(at[target], depth, lasti)
            for where in starts:
                if begin <= where < end:
                    at[where].handler = handler

    # -- building blocks --------------------------------------------------------------------

    def const(self, value: object) -> Instruction:
        """Return an instruction that pushes the object ``value``."""
        self.consts.append(value)
        return Instruction(_LOAD_CONST, len(self.consts) - 1)

    def call(self, function: object, *arguments: Instruction) -> list[Instruction]:
        """Return a call of ``function``; each argument is one instruction that pushes it.

        While the n-th argument (from 0) is pushed, the stack is n + 2 deeper than before.
        """
        null = make("PUSH_NULL")
        callee = self.const(function)
        count = len(arguments)
        start = [callee, null] if sys.version_info >= (3, 13) else [null, callee]
        end = [make("CALL", count)]
        if sys.version_info < (3, 12):
            end.insert(0, make("PRECALL", count))
        return [*start, *arguments, *end]

    def insert(self, before: Instruction, added: list[Instruction], *, once: bool = False) -> None:
        """Insert ``added`` in front of ``before``; jumps to ``before`` run the added code first.

        They take its position, so that no line begins or ends with them, and its handler. With
        ``once``, jumps pass the added code: a function may begin with the head of a loop.
        """
        for instruction in added:
            instruction.handler = before.handler
        self.insert_unguarded(before, added, once=once)

    def insert_unguarded(
        self, before: Instruction, added: list[Instruction], *, once: bool = False
    ) -> None:
        """Insert likewise, but keep the handlers of the added instructions."""
        for instruction in added:
            instruction.position = before.position
        self._insertions.setdefault(before, []).extend(added)
        if not once:
            self._entries.setdefault(before, added[0])

    def append(self, added: list[Instruction], handler: Handler | None) -> Instruction:
        """Append ``added``, reachable by a jump or exception only; return its first instruction."""
        for instruction in added:
            instruction.handler = handler
        self.instructions.extend(added)
        return added[0]

    def depths(self) -> dict[Instruction, int]:
        """Return the depth of the stack before each reachable instruction."""
        following = dict(zip(self.instructions, self.instructions[1:], strict=False))
        found = {self.instructions[0]: 0}
        todo = [self.instructions[0]]

        def reach(instruction: Instruction, depth: int) -> None:
            if instruction not in found:
                found[instruction] = depth
                todo.append(instruction)

        while todo:
            instruction = todo.pop()
            depth = found[instruction]
            op = instruction.op
            arg = instruction.arg if op >= dis.HAVE_ARGUMENT else None
            if instruction.handler is not None:
                handler = instruction.handler
                reach(handler.target, handler.depth + handler.lasti + 1)
            if instruction.target is not None and op != _END_ASYNC_FOR:
                reach(instruction.target, depth + dis.stack_effect(op, arg, jump=True))
            if op == _RETURN_GENERATOR:  # in CPython 3.12 without what resumption pushes
                reach(following[instruction], depth + 1)
            elif op not in _ENDS_FLOW and op not in _JUMPS_ALWAYS:
                reach(following[instruction], depth + dis.stack_effect(op, arg, jump=False))
        return found

    # -- putting together -------------------------------------------------------------------

    def assembled(self, *consts: object, stack: int = 0) -> CodeType:
        """Return the code object, with ``consts`` as last constants and ``stack`` more items."""
        order: list[Instruction] = []
        for instruction in self.instructions:
            order.extend(self._insertions.get(instruction, ()))
            order.append(instruction)
        offsets = self._lay_out(order)
        raw = bytearray()
        for instruction in order:
            for shift in range(8 * (_extra(instruction.arg)), 0, -8):
                raw += bytes((_EXTENDED_ARG, instruction.arg >> shift & 0xFF))
            raw += bytes((instruction.op, instruction.arg & 0xFF))
            raw += bytes(_CACHES[instruction.op] * _UNIT)
        return self.code.replace(
            co_code=bytes(raw),
            co_consts=(*self.consts, *consts),
            co_linetable=bytes(_line_table(order, self.code.co_firstlineno)),
            co_exceptiontable=bytes(self._exception_table(order, offsets, len(raw) // _UNIT)),
            co_stacksize=self.code.co_stacksize + stack,
        )

    def _entry(self, instruction: Instruction) -> Instruction:
        return self._entries.get(instruction, instruction)

    def _lay_out(self, order: list[Instruction]) -> dict[Instruction, int]:
        """Return the offset of each instruction in code units, and set the arguments of jumps."""
        while True:
            offsets: dict[Instruction, int] = {}
            end = 0
            for instruction in order:
                offsets[instruction] = end
                end += _units(instruction)
            settled = True
            for instruction in order:
                if instruction.target is not None:
                    after = offsets[instruction] + _units(instruction)
                    distance = abs(offsets[self._entry(instruction.target)] - after)
                    # Insertions make distances longer, never shorter: this terminates.
                    settled = settled and distance == instruction.arg
                    instruction.arg = distance
            if settled:
                return offsets

    def _exception_table(
        self, order: list[Instruction], offsets: dict[Instruction, int], end: int
    ) -> Iterator[int]:
        start = 0
        current: Handler | None = None
        for instruction in [*order, None]:
            handler = None if instruction is None else instruction.handler
            if handler is current:
                continue
            here = end if instruction is None else offsets[instruction]
            if current is not None:
                yield from _table_number(start, 0x80)
                yield from _table_number(here - start)
                yield from _table_number(offsets[self._entry(current.target)])
                yield from _table_number(current.depth << 1 | current.lasti)
            start, current = here, handler


def _extra(arg: int) -> int:
    """Return how many EXTENDED_ARGs an argument needs."""
    return 0 if arg < 1 << 8 else 1 if arg < 1 << 16 else 2 if arg < 1 << 24 else 3


def _units(instruction: Instruction) -> int:
    return _extra(instruction.arg) + 1 + _CACHES[instruction.op]


# -- the two tables of a code object; their layouts: Objects/locations.md, exception_handling.md --


def exception_table(table: bytes) -> Iterator[tuple[int, int, int, int, bool]]:
    """Yield the entries of a table: start, end, target (offsets in bytes), depth, lasti."""
    numbers: list[int] = []
    value = 0
    for byte in table:
        value = value << 6 | byte & 0x3F
        if not byte & 0x40:
            numbers.append(value)
            value = 0
    for index in range(0, len(numbers), 4):
        start, length, target, last = numbers[index : index + 4]
        yield (
            start * _UNIT,
            (start + length) * _UNIT,
            target * _UNIT,
            last >> 1,
            bool(last & 1),
        )


def _table_number(value: int, flag: int = 0) -> Iterator[int]:
    """Encode six bits per byte, highest first; ``flag`` is set at the beginning of an entry."""
    groups = [value & 0x3F]
    while value := value >> 6:
        groups.append(value & 0x3F | 0x40)
    groups.reverse()
    groups[0] |= flag
    return iter(groups)


def _line_table(order: Iterable[Instruction], line: int) -> Iterator[int]:
    for instruction in order:
        units = _units(instruction)
        while units:
            length = min(units, 8)
            units -= length
            first, last, column, end_column = instruction.position
            if first is None:
                yield 0xF8 | length - 1
                continue
            if last is None or column is None or end_column is None:
                yield 0xE8 | length - 1
                yield from _signed(first - line)
            else:
                yield 0xF0 | length - 1
                yield from _signed(first - line)
                yield from _unsigned(last - first)
                yield from _unsigned(column + 1)
                yield from _unsigned(end_column + 1)
            line = first


def _unsigned(value: int) -> Iterator[int]:
    """Encode six bits per byte, lowest first."""
    while value > 0x3F:
        yield value & 0x3F | 0x40
        value >>= 6
    yield value


def _signed(value: int) -> Iterator[int]:
    return _unsigned(-value << 1 | 1 if value < 0 else value << 1)
