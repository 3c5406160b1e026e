"""Record ``async with`` statements that a library executes for the program.

``@manager()`` above a coroutine function enters the manager in ``contextlib`` at each call, and
``anyio.to_thread.run_sync`` enters a limiter. They are recorded as the program's, at its own line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from types import CodeType, FunctionType
from typing import Any

from asyncctx_trace.instrument import publish, sinks
from asyncctx_trace.instrument.hidden_frames import as_hook, program_frame, suspended
from asyncctx_trace.instrument.publish import Acquisition
from asyncctx_trace.instrument.registry import resources, sites
from asyncctx_trace.instrument.registry.callers import innermost_own_frame, site_of_call
from asyncctx_trace.instrument.registry.sites import Site
from asyncctx_trace.instrument.registry.weak_ids import WeakIdMap
from asyncctx_trace.instrument.rewriting.async_with import has_async_with, with_hooks
from asyncctx_trace.instrument.rewriting.code_rewriter import Original
from asyncctx_trace.instrument.rewriting.hooks import HOOKS

__all__ = ["DECORATORS", "THREADS", "BlockWatch", "counterpart"]

DECORATORS = ("contextlib", "AsyncContextDecorator.__call__")
THREADS = ("anyio._backends._asyncio", "AsyncIOBackend.run_sync_in_worker_thread")
_LIMITER = re.compile(r"\blimiter\s*=\s*([\w.]+)")
"""The limiter in the text of a call."""
_counterparts: dict[int, tuple[CodeType, CodeType]] = {}
"""Codes of functions that a library's function makes, and what replaces them, by address."""


def counterpart(code: CodeType) -> CodeType:
    """Return what replaces ``code``, of a function that was made before; itself for others."""
    found = _counterparts.get(id(code))
    return code if found is None else found[1]


class BlockWatch:
    """Watch ``async with`` statements in functions of libraries."""

    def __init__(self, own: Callable[[str], bool]) -> None:
        self._own = own
        self._sites: WeakIdMap[list[tuple[int, Site]]] = WeakIdMap()
        """By the code of a decorated function, with how many decorators are below that."""

    def decorating(self, code: CodeType, *consts: object) -> CodeType:
        """Return ``code``, of a decorator, whose functions report the managers that they enter."""
        return self._hooked(code, self._begin_decorated, consts)

    def running_in_thread(self, code: CodeType, *consts: object) -> CodeType:
        """Return ``code``, which enters a limiter around a call in another thread."""
        return self._hooked(code, self._begin_limited, consts)

    def _hooked(
        self, code: CodeType, begin: Callable[..., object], consts: tuple[object, ...]
    ) -> CodeType:
        inner: list[object] = []
        for const in code.co_consts:
            if isinstance(const, CodeType):
                new = self._hooked(const, begin, (Original(const),))
                _counterparts[id(const)] = const, new
                inner.append(new)
            else:
                inner.append(const)
        result = code.replace(co_consts=tuple(inner))
        if has_async_with(code):
            # Further blocks, such as that around an asynchronous generator, are the library's.
            blocks = iter([True])

            def is_first(*_: object) -> bool:
                return next(blocks, False)

            hooks = replace(HOOKS, begin=as_hook(begin))
            return with_hooks(result, hooks, is_first, *consts)
        return result.replace(co_consts=(*result.co_consts, *consts))

    @suspended
    def _begin_decorated(self, is_first: object, manager: Any) -> Acquisition | None:
        try:
            if not is_first or sinks.active_sink() is None:
                return None
            kind = resources.kind_of(type(manager))
            if not kind.manager or kind.traced:
                return None
            frame = program_frame()
            site = None if frame is None else self._site_of(frame.f_locals.get("func"))
            if site is None:
                return None
            resource = resources.resource_at(site, manager, kind)
            return publish.enter_started(kind.manager, resource, site.id)
        except Exception as error:
            sinks.hook_failed(error)
            return None

    @suspended
    def _begin_limited(self, is_first: object, limiter: Any) -> Acquisition | None:
        try:
            if not is_first or sinks.active_sink() is None:
                return None
            frame = innermost_own_frame(program_frame(), self._own)
            if frame is None:
                return None
            kind = resources.kind_of(type(limiter))
            if not kind.manager or kind.traced:
                return None
            site, site_id = site_of_call(frame, self._own)
            named = _LIMITER.search(site.text)
            name = named[1] if named else "thread limiter"
            adapter = kind.adapter
            thing = limiter if adapter is None else resources.contended(adapter, limiter)
            resource = resources.of_contended(adapter, thing, name)
            return publish.enter_started(kind.manager, resource.id, site_id)
        except Exception as error:
            sinks.hook_failed(error)
            return None

    def _site_of(self, function: Any) -> Site | None:
        """Return the site of the decorator that enters a manager for the decorated ``function``.

        ``None`` if that is none of the program's.
        """
        below = 0
        while isinstance(function, FunctionType) and hasattr(function, "__wrapped__"):
            function = function.__wrapped__
            below += 1
        if not isinstance(function, FunctionType) or not self._own(function.__code__.co_filename):
            return None
        code = function.__code__
        known = self._sites.get(code)
        if known is None:
            known = []
            self._sites.add(code, known)
        for its, site in known:
            if its == below:
                return site
        site = sites.of_decorator(code, below, function.__globals__)
        known.append((below, site))
        return site
