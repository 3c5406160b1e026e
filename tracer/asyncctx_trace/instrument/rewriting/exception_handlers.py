"""Find in a code object the handlers around an instruction, and what follows it.

Answers are cached by code object and offset while the code is alive.
"""

from __future__ import annotations

import dis
import re
import sys
from collections.abc import Callable, Iterator
from types import CodeType
from typing import TypeVar

from asyncctx_trace.instrument.registry.weak_ids import WeakIdMap
from asyncctx_trace.instrument.rewriting.bytecode import exception_table

__all__ = ["catches_cancellation", "names_on_line", "skips_cleanup"]

T = TypeVar("T")

_STOP_ITERATION = 3
"""Argument of the CALL_INTRINSIC_1 in the handler around every generator and coroutine."""
_CANCELLATIONS = frozenset(
    {"BaseException", "Cancelled", "CancelledError", "get_cancelled_exc_class"}
)
_CLEANUP = re.compile(
    r"clean|clos|cancel|delete|deregister|destroy|detach|discard|disconnect|dispos|exit|free|"
    r"give_?back|join|kill|leave|logout|put|quit|release|remove|reset|restore|return|rmtree|"
    r"rollback|shutdown|shut_down|stop|tear_?down|terminat|undo|unlink|unlock|unregister|"
    r"unsubscribe",
    re.IGNORECASE,
)
"""Names of methods that release or end something; others may be meant for success only."""
_EXPRESSION = re.compile(r"LOAD_|PUSH_NULL|PRECALL|CALL$|CACHE|COPY|BUILD_TUPLE|NOT_TAKEN|NOP")
"""Instructions that evaluate the exception types of an ``except`` clause."""

_DELETES = ("DELETE_ATTR", "DELETE_GLOBAL", "DELETE_SUBSCR")
_CALLING = ("LOAD_GLOBAL", "LOAD_ATTR") if sys.version_info >= (3, 12) else ("LOAD_GLOBAL",)
"""Instructions whose lowest bit says that what they load is called."""
_NULL_AFTER = sys.version_info >= (3, 13)
_ENDS = ("RETURN_VALUE", "RETURN_CONST", "RERAISE", "RAISE_VARARGS")


def catches_cancellation(code: CodeType, offset: int) -> bool:
    """Return whether a ``finally``, or an ``except`` for cancellations, is around ``offset``.

    ``with`` statements do not count: they only release what they have entered.
    """
    return _cached("catches", code, offset, _catches)


def skips_cleanup(code: CodeType, offset: int) -> bool:
    """Return whether an error raised at the ``yield`` at ``offset`` skips calls that clean up.

    It does if no handler and no ``with`` is around it, and code that may follow it releases
    something.
    """
    return _cached("skips", code, offset, _skips)


def names_on_line(code: CodeType, offset: int) -> frozenset[str]:
    """Return the names that the line of the instruction at ``offset`` refers to."""
    return _cached("names", code, offset, _names)


# -- code -------------------------------------------------------------------------------------


class _Code:
    """The instructions of one code object by offset, with the entries of its exception table."""

    def __init__(self, code: CodeType) -> None:
        self.order = [i for i in dis.get_instructions(code) if i.opname != "EXTENDED_ARG"]
        self.index = {instruction.offset: index for index, instruction in enumerate(self.order)}
        self.table = list(exception_table(code.co_exceptiontable))

    def handler(self, offset: int) -> int | None:
        """Return the index of the handler of the instruction at ``offset``."""
        for start, end, target, _, _ in self.table:
            if start <= offset < end:
                return self._at(target)
        return None

    def handlers(self, offset: int) -> Iterator[int]:
        """Yield the indexes of handlers that an exception at ``offset`` may reach, inner first.

        Each but the last passes on what it does not handle.
        """
        seen: set[int] = set()
        index = self.handler(offset)
        while index is not None and index not in seen:
            seen.add(index)
            yield index
            index = self.handler(self.order[self._end(index)].offset)

    def is_of_the_compiler(self, index: int) -> bool:
        """Return whether the handler at ``index`` belongs to no statement of the source.

        Handlers of statements begin with PUSH_EXC_INFO. Others are ends of handlers, those of an
        ``await``, and ours.
        """
        return self.order[index].opname != "PUSH_EXC_INFO"

    def is_of_with(self, index: int) -> bool:
        """Return whether the handler at ``index`` is that of a ``with`` or ``async with``."""
        # Calls of our hooks may come first.
        for instruction in self.order[index + 1 :]:
            if instruction.opname == "WITH_EXCEPT_START":
                return True
            if not _EXPRESSION.match(instruction.opname) and instruction.opname != "POP_TOP":
                return False
        return False

    def clause_names(self, index: int) -> list[str] | None:
        """Return the exception types of the clauses at ``index``; ``None`` if it handles all."""
        names: list[str] = []
        index += 1
        while True:
            clause: list[str] = []
            while _EXPRESSION.match(self.order[index].opname):
                if isinstance(self.order[index].argval, str):
                    clause.append(self.order[index].argval)
                index += 1
            if self.order[index].opname not in ("CHECK_EXC_MATCH", "CHECK_EG_MATCH"):
                # RERAISE: no clause is left; anything else is a body that runs for every error.
                return names if names and self.order[index].opname == "RERAISE" else None
            names += clause
            jump = next(i for i in self.order[index:] if "JUMP" in i.opname)
            index = self._at(jump.argval)

    def following(self, offset: int) -> Iterator[dis.Instruction]:
        """Yield every instruction that may run after the one at ``offset`` without an error."""
        todo, seen = [self._at(offset) + 1], set[int]()
        while todo:
            index = todo.pop()
            while index < len(self.order) and index not in seen:
                seen.add(index)
                instruction = self.order[index]
                yield instruction
                name = instruction.opname
                if "JUMP" in name or name in ("FOR_ITER", "SEND"):
                    todo.append(self._at(instruction.argval))
                if name in _ENDS or name.startswith("JUMP_"):
                    break
                index += 1

    def _at(self, offset: int) -> int:
        while offset not in self.index:  # an EXTENDED_ARG comes before its instruction
            offset += 2
        return self.index[offset]

    def _end(self, index: int) -> int:
        """Return the index at which the handler at ``index`` re-raises."""
        first = index
        while index + 1 < len(self.order) and self.order[index].opname != "RERAISE":
            if self.order[index].opname in ("CLEANUP_THROW", "CALL_INTRINSIC_1"):
                return index
            index += 1
        return index if index + 1 < len(self.order) else first


def _catches(code: CodeType, offset: int) -> bool:
    read = _Code(code)
    for index in read.handlers(offset):
        if read.is_of_the_compiler(index) or read.is_of_with(index):
            continue
        names = read.clause_names(index)
        if names is None or _CANCELLATIONS.intersection(names):
            return True
    return False


def _skips(code: CodeType, offset: int) -> bool:
    read = _Code(code)
    if any(not read.is_of_the_compiler(index) for index in read.handlers(offset)):
        return False
    following = list(read.following(offset))
    return any(i.opname in _DELETES for i in following) or any(
        map(_CLEANUP.search, _called(following))
    )


def _called(order: list[dis.Instruction]) -> Iterator[str]:
    """Yield the names of the functions and methods that are loaded to be called."""
    for before, instruction, after in zip([None, *order], order, [*order[1:], None], strict=False):
        name, argument = instruction.opname, instruction.arg or 0
        if name == "LOAD_METHOD" or (name in _CALLING and argument & 1):
            yield instruction.argval
        elif name in ("LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_DEREF", "LOAD_NAME"):
            beside = after if _NULL_AFTER else before
            if beside is not None and beside.opname == "PUSH_NULL":
                yield instruction.argval


def _names(code: CodeType, offset: int) -> frozenset[str]:
    read = _Code(code)
    positions = list(code.co_positions())
    line = positions[offset // 2][0]
    return frozenset(
        instruction.argval
        for instruction in read.order
        if isinstance(instruction.argval, str)
        and positions[instruction.offset // 2][0] == line
        and instruction.opname.startswith("LOAD_")
    )


# -- the cache --------------------------------------------------------------------------------

_answers: WeakIdMap[dict[tuple[str, int], object]] = WeakIdMap()
"""Code -> (question, offset) -> answer."""


def _cached(question: str, code: CodeType, offset: int, ask: Callable[[CodeType, int], T]) -> T:
    answers = _answers.get(code)
    if answers is None:
        answers = {}
        _answers.add(code, answers)
    if (question, offset) not in answers:
        answers[question, offset] = ask(code, offset)
    answer: T = answers[question, offset]  # type: ignore[assignment]  # what was asked
    return answer
