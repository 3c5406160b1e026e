"""The registry of sites: where in the program's source an acquisition is made."""

from __future__ import annotations

import itertools
import linecache
import opcode
import sys
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

from asyncctx_trace.instrument import sinks
from asyncctx_trace.instrument.hidden_frames import call_hidden, hidden, program_frame
from asyncctx_trace.instrument.registry.weak_ids import WeakIdMap

if TYPE_CHECKING:
    from asyncctx_trace.instrument.rewriting.bytecode import Position

__all__ = ["Site", "define", "of_decorator", "of_frame", "site_at", "source_of"]

_ENTER = -1 if sys.version_info >= (3, 13) else opcode.opmap["BEFORE_ASYNC_WITH"]
_ENTERED = (3, 4)
"""How many code units after that instruction the program awaits the enter, on 3.11 and 3.12."""

_next_id = itertools.count(1).__next__
_sites: dict[int, tuple[str, int, str, str, int]] = {}
by_code: WeakIdMap[dict[int, Site]] = WeakIdMap()
"""Code -> instruction offset -> site."""


class Site:
    """A site, which is defined to sinks when the first acquisition is made there."""

    __slots__ = (
        "_before",
        "_callers",
        "_code",
        "_position",
        "id",
        "kind",
        "name",
        "resource",
        "text",
    )

    def __init__(self, code: CodeType, position: Position, before: Site | None = None) -> None:
        """Create a site; ``before`` is the one before it on the same line of ``code``."""
        self._code: CodeType | None = code
        self._position = position
        self._before = before
        self.id = 0
        self.text = ""
        self.name = ""
        """The text, with a number if the line has the same text before: resources that are made
        there get different names."""
        self.kind: object = None
        """The kind of manager for which ``resource`` is right."""
        self.resource = 0
        """The resource of all such managers here, ``0`` if each has its own."""
        self._callers: dict[int, int] | None = None
        """Id of a caller's site -> id of this site when it is called from there."""

    def called_from(self, caller: int) -> int:
        """Return the id of this site, which is defined, for calls of its function at ``caller``."""
        if self._callers is None:
            self._callers = {}
        site_id = self._callers.get(caller)
        if site_id is None:
            site_id = self._callers[caller] = define(*_sites[self.id][:4], caller)
        return site_id

    def arrive(self, frame: FrameType | None = None) -> int:
        """Return the id; at the first arrival, read the source and define the site."""
        code = self._code
        if code is not None:
            # Another thread may arrive meanwhile, and define the same site: its id is as good. A
            # lock would be left locked in a child that is forked at this moment.
            frame = frame or program_frame()
            namespace = None if frame is None else frame.f_globals
            text, same = self._read(code.co_filename, namespace)
            self.text = _item(text)
            self.name = f"{self.text} #{same + 1}" if same and self.text else self.text
            self.id = _define_in(code, self._position[0], self.text)
            self._code = None
        return self.id

    def _read(self, file: str, namespace: dict[str, Any] | None) -> tuple[str, int]:
        """Return the source, and how many items before this one on the line have the same."""
        earlier: list[Position] = []
        site = self._before
        while site is not None:
            earlier.append(site._position)  # noqa: SLF001 - of the same class
            site = site._before  # noqa: SLF001 - of the same class
        line, _, column, _ = self._position
        if line is not None and column is None:  # python -X no_debug_ranges
            items = _items_on(file, line, namespace)
            if items:
                # The compiler may have copied the whole statement, such as that of a `finally`.
                index = len(earlier) % len(items)
                return items[index], items[:index].count(items[index])
        text = source_of(file, self._position, namespace)
        others = set(earlier) - {self._position}
        return text, sum(source_of(file, other, namespace) == text for other in others)


def define(file: str, line: int, function: str, text: str, caller: int = 0) -> int:
    """Define a new site; ``text`` is the source of the context expression. Return its id."""
    sinks.ensure_stack()
    site_id = _next_id()
    _sites[site_id] = (file, line, function, text, caller)
    sink = sinks.active.sink
    if sink is not None:
        try:
            sink.site_defined(site_id, file, line, function, text, caller)
        except Exception as error:
            sinks.disable_sink(sink, error)
    return site_id


def of_decorator(code: CodeType, below: int, namespace: dict[str, Any]) -> Site:
    """Return a new site, which is defined: that of a decorator of the function with this ``code``.

    Args:
        code: The code of the function.
        below: How many decorators are between that one and the function.
        namespace: The globals of the function.
    """
    first = code.co_firstlineno
    decorators: list[tuple[int, str]] = []
    for offset, line in enumerate(_lines(code.co_filename, namespace)[first - 1 :]):
        text = line.strip()
        if text.startswith("@"):
            decorators.append((offset, text[1:].strip()))
        elif text.startswith(("def ", "async def ")):
            break
    offset, text = decorators[-1 - below] if below < len(decorators) else (0, "")
    site = Site(code, (first + offset, None, None, None))
    site.text = site.name = text
    site.id = _define_in(code, first + offset, text)
    site._code = None  # noqa: SLF001 - of this module
    return site


@hidden
def site_at(frame: FrameType) -> Site:
    """Return the site of the instruction that ``frame`` executes, which is defined."""
    code = frame.f_code
    sites_of_code = by_code.by_id.get(id(code))
    if sites_of_code is None:
        sites_of_code = {}
        by_code.add(code, sites_of_code)
    site = sites_of_code.get(frame.f_lasti)
    if site is None:
        site = sites_of_code[frame.f_lasti] = call_hidden(_first_seen, frame)
    return site


def _first_seen(frame: FrameType) -> Site:
    site = Site(frame.f_code, _position(frame.f_code, frame.f_lasti))
    site.arrive(frame)
    return site


def _position(code: CodeType, offset: int) -> Position:
    """Return the source position of the instruction at ``offset``."""
    positions = list(code.co_positions())
    here = offset // 2
    raw = code.co_code
    enter = next((at for at in (here - n for n in _ENTERED) if raw[2 * at] == _ENTER), None)
    if enter is None:
        return positions[here]
    # This one has the position of the statement, and so have our hooks in front of it; what is
    # before them ends the context expression.
    before = enter
    while before and positions[before] == positions[enter]:
        before -= 1
    return positions[before]


@hidden
def of_frame(frame: FrameType) -> int:
    """Return the id of the site of the instruction that ``frame`` executes."""
    return site_at(frame).id


def source_of(file: str, position: Position, namespace: dict[str, Any] | None) -> str:
    """Return the source at ``position``, joined to one line; ``""`` if it is not available."""
    first, last, start, end = position
    if first is None or last is None:
        return ""
    lines = _lines(file, namespace)[first - 1 : last]
    if not lines:
        return ""
    if start is None or end is None:  # python -X no_debug_ranges
        return lines[0].strip().removeprefix("async with").rstrip(":").strip()
    raw = [line.encode() for line in lines]
    raw[-1] = raw[-1][:end]
    raw[0] = raw[0][start:]
    return " ".join(line.decode(errors="replace").strip() for line in raw)


def _lines(file: str, namespace: dict[str, Any] | None) -> list[str]:
    # Unless the program has read this file's lines itself, leave nothing in its cache.
    kept = file in linecache.cache
    lines = linecache.getlines(file, namespace)
    if not kept:
        linecache.cache.pop(file, None)
    return lines


def _items_on(file: str, line: int, namespace: dict[str, Any] | None) -> list[str]:
    """Return what each ``async with`` on ``line`` enters, in order."""
    import ast  # it is large, and needed only where code has no columns

    source = "".join(_lines(file, namespace))
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # the file has changed since it was compiled
        return []
    found = [
        item.context_expr
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncWith)
        for item in node.items
        if item.context_expr.lineno == line
    ]
    found.sort(key=lambda expression: expression.col_offset)
    texts = (ast.get_source_segment(source, expression) or "" for expression in found)
    return [" ".join(part.strip() for part in text.splitlines()) for text in texts]


def _item(text: str) -> str:
    """Return what is entered: ``connect()`` for ``stack.enter_async_context(connect())``."""
    entered, call, _ = text.partition(".__aenter__(")
    if call:  # a whole line, of code without columns
        text = entered.rpartition("await ")[2]
    text = text.removeprefix("await ").strip()
    before, call, inside = text.partition(".enter_async_context(")
    return inside.removesuffix(")").strip() if call and before else text


def _define_in(code: CodeType, line: int | None, text: str) -> int:
    function = code.co_qualname
    return define(
        code.co_filename,
        line or code.co_firstlineno,
        "" if function == "<module>" else function,
        text,
    )


def _replay(sink: sinks.Sink) -> None:
    for site_id, where in list(_sites.items()):
        sink.site_defined(site_id, *where)


sinks.on_attach(_replay)
