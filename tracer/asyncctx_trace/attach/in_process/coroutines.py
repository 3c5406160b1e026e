"""Read what suspended coroutines and generators keep."""

import gc
import sys
from types import AsyncGeneratorType, CellType, CoroutineType, GeneratorType
from typing import Any

from asyncctx_trace.attach.in_process.values import MAX_FRAMES, attempt

__all__ = [
    "EXITS",
    "MAX_FRAMES",
    "NESTED",
    "awaited",
    "code_and_frame",
    "exception_table",
    "first_argument",
    "opcodes_of",
    "pending_exits",
]

__asyncctx_trace_look__ = True  # its frames are not the program's
EXITS = ("__aexit__", "__exit__")
NESTED = (AsyncGeneratorType, GeneratorType)
_WRAPPERS = frozenset(
    {"coroutine_wrapper", "async_generator_asend", "async_generator_athrow", "anext_awaitable"}
)


def awaited(awaitable: Any) -> list[Any]:
    """Return the coroutines and generators below ``awaitable``, which comes first."""
    chain: list[Any] = []
    while awaitable is not None and len(chain) < MAX_FRAMES:
        if type(awaitable).__name__ in _WRAPPERS:
            awaitable = next((r for r in gc.get_referents(awaitable) if _suspends(r)), None)
            continue
        if not _suspends(awaitable):
            break
        chain.append(awaitable)
        for name in ("cr_await", "ag_await", "gi_yieldfrom"):
            if hasattr(awaitable, name):
                awaitable = getattr(awaitable, name)
                break
    return chain


def _suspends(thing: Any) -> bool:
    return type(thing) in (CoroutineType, *NESTED) or hasattr(type(thing), "cr_await")


def code_and_frame(thing: Any) -> tuple[Any, Any]:
    """Return code and frame of a coroutine or generator; no frame once it has ended."""
    for prefix in ("cr", "ag", "gi"):
        code = getattr(thing, prefix + "_code", None)
        if code is not None:
            return code, getattr(thing, prefix + "_frame", None)
    return None, None


def pending_exits(stacked: list[Any]) -> list[tuple[str, Any]]:
    """Return the managers whose exit is pending, in order of entering.

    Up to CPython 3.13 the bound method is on the stack, later the function and then the manager.
    """
    found: list[tuple[str, Any]] = []
    for index, thing in enumerate(stacked):
        # Not for a local variable: something with that name that is a method alone.
        if not callable(thing) or isinstance(thing, type):
            continue
        name = getattr(thing, "__name__", None)
        if type(name) is not str or name not in EXITS:
            continue
        kind = "async" if name == "__aexit__" else "sync"
        bound = getattr(thing, "__self__", None)
        following = stacked[index + 1] if index + 1 < len(stacked) else None
        if bound is not None:
            found.append((kind, bound))
        elif following is not None and any(
            vars(cls).get(name) is thing for cls in type(following).__mro__
        ):
            found.append((kind, following))
    return found


def first_argument(code: Any, stacked: list[Any]) -> Any:
    """Return ``self`` of a method: the first object whose class has the name in its own."""
    cls_name = code.co_qualname.rpartition(".")[0]
    if not cls_name or cls_name.endswith("<locals>"):
        return None
    for thing in stacked:
        found = thing
        if type(thing) is CellType:
            found = attempt(lambda cell=thing: cell.cell_contents)
        if any(cls.__qualname__ == cls_name for cls in type(found).__mro__):
            return found
    return None


def exception_table(table: bytes) -> list[tuple[int, int, int, int]]:
    """Return the entries of an exception table: start, end, target in bytes, and depth."""
    numbers, value, result = [], 0, []
    for byte in table:
        value = value << 6 | byte & 0x3F
        if not byte & 0x40:
            numbers.append(value)
            value = 0
    for start, length, target, depth in zip(*[iter(numbers)] * 4, strict=False):
        result.append((start * 2, (start + length) * 2, target * 2, depth >> 1))
    return result


def opcodes_of(*names: str) -> tuple[int, ...]:
    """Return the numbers of instructions; what has to be imported is forgotten again."""
    before = set(sys.modules)
    import opcode  # not at the top: most programs have not imported it

    numbers = tuple(opcode.opmap[name] for name in names)
    for imported in ("opcode", "opcodes_of", "_opcode_metadata"):
        if imported not in before:
            sys.modules.pop(imported, None)
    return numbers
