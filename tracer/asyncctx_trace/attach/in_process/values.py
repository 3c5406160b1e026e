"""Read values of a program without running its code."""

from typing import Any

__all__ = [
    "MAX_NAMES",
    "MAX_TASKS",
    "attempt",
    "attributes_of",
    "cells_of",
    "class_name",
    "is_instance",
    "json_of",
    "name_of",
    "task_ids",
    "type_name",
]

__asyncctx_trace_look__ = True  # its frames are not the program's
MAX_TASKS = 20_000
MAX_FRAMES = 200
"""Frames that are read of one task or thread."""
MAX_NAMES = 200
"""The length of a name."""


def attempt(function: Any, *arguments: Any) -> Any:
    """Call ``function``; what it cannot read is left out."""
    try:
        return function(*arguments)
    except Exception:
        return None


def json_of(value: Any) -> str:
    """Return ``value`` as JSON, like ``json.dumps``, for programs that have not imported that."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json_of(str(k))}:{json_of(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(json_of, value)) + "]"
    if isinstance(value, str):
        return '"' + "".join(map(_escaped, value)) + '"'
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return repr(value).replace("inf", "Infinity").replace("nan", "NaN")


def _escaped(character: str) -> str:
    code = ord(character)
    if 31 < code < 127 and character not in '"\\':
        return character
    if code > 0xFFFF:
        code -= 0x10000
        return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
    return f"\\u{code:04x}"


def attributes_of(thing: Any) -> dict[str, Any]:
    """Return the attributes of an instance, without running code of its class."""
    try:
        found = dict(object.__getattribute__(thing, "__dict__"))
    except (AttributeError, TypeError, ValueError):
        found = {}
    for cls in type(thing).__mro__:
        slots = vars(cls).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            member: Any = vars(cls).get(name)
            if type(member).__name__ == "member_descriptor":
                try:
                    found[name] = member.__get__(thing)
                except AttributeError:  # not set
                    continue
    return {str(name): value for name, value in found.items()}


def is_instance(value: Any) -> bool:
    """Return whether ``value`` may be what tasks contend for: no number, module or class."""
    module = type(value).__module__
    return module != "builtins" and not isinstance(value, type) and not callable(value)


def task_ids(things: Any) -> set[int]:
    """Return the addresses of the unfinished tasks among ``things``."""
    return {
        id(t) for t in list(things)[:MAX_TASKS] if hasattr(type(t), "get_coro") and not t.done()
    }


def cells_of(function: Any) -> dict[str, Any]:
    """Return the variables that a function has from the functions around it."""
    code = getattr(function, "__code__", None)
    cells = zip(code.co_freevars, function.__closure__ or (), strict=False) if code else ()
    return {n: attempt(lambda cell=c: cell.cell_contents) for n, c in cells}


def class_name(cls: type) -> str:
    """Return module and qualified name of a class."""
    return f"{cls.__module__}.{cls.__qualname__}"[:MAX_NAMES]


def type_name(thing: Any) -> str:
    """Return module and qualified name of the class of ``thing``."""
    return class_name(type(thing))


def name_of(coroutine: Any) -> str:
    """Return the qualified name of a coroutine."""
    return str(getattr(coroutine, "__qualname__", type(coroutine).__qualname__))[:MAX_NAMES]
