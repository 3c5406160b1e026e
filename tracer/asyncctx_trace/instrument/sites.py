"""Where in the program's source an ``async with`` stands."""

from __future__ import annotations

import itertools
import linecache
import weakref
from functools import partial
from types import CodeType, FrameType

from asyncctx_trace.instrument import hub

__all__ = ["define", "of_frame"]

_next_id = itertools.count(1).__next__
_sites: dict[int, tuple[str, int, str, str]] = {}
_by_code: dict[int, tuple[weakref.ref[CodeType], dict[int, int]]] = {}
"""Instruction offset -> site, by the address of the code; an entry leaves with its code."""


def define(file: str, line: int, function: str, text: str) -> int:
    """A new site; ``function`` is qualified, ``text`` the source of the context expression."""
    site = _next_id()
    _sites[site] = (file, line, function, text)
    sink = hub.listening
    if sink is not None:
        try:
            sink.site_defined(site, file, line, function, text)
        except Exception as error:
            hub.switch_off(sink, error)
    return site


def of_frame(frame: FrameType | None) -> int:
    """The site at which ``frame`` stands now, defined when first met; ``0`` without a frame."""
    if frame is None:
        return 0
    code = frame.f_code
    known = _by_code.get(id(code))
    if known is None:
        key = id(code)
        ref = weakref.ref(code, partial(_forget, key))
        known = _by_code[key] = (ref, {})
    site = known[1].get(frame.f_lasti)
    if site is None:
        site = known[1][frame.f_lasti] = _first_met(frame)
    return site


def _first_met(frame: FrameType) -> int:
    code = frame.f_code
    line = frame.f_lineno or code.co_firstlineno
    text = linecache.getline(code.co_filename, line, frame.f_globals).strip()
    function = code.co_qualname
    text = text.removeprefix("async with").rstrip(":").strip()
    return define(code.co_filename, line, "" if function == "<module>" else function, text)


def _forget(key: int, _: object) -> None:
    _by_code.pop(key, None)


def _replay(sink: hub.Sink) -> None:
    for site, where in list(_sites.items()):
        sink.site_defined(site, *where)


hub.on_attach(_replay)
