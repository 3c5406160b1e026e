"""Trace the objects of a class by changing the class in place.

Its ``__aenter__`` and ``__aexit__`` publish each acquisition, and so do those of its subclasses,
existing or future. ``untraced_class`` restores the methods.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import partial, update_wrapper
from typing import Any

from asyncctx_trace.errors import NotTraceable
from asyncctx_trace.instrument.hidden_frames import call_hidden, hidden, program_frame, suspended
from asyncctx_trace.instrument.publish import Acquisition
from asyncctx_trace.instrument.registry.resources import forget_kinds, manager_of, resource_of
from asyncctx_trace.instrument.registry.weak_ids import WeakIdMap
from asyncctx_trace.instrument.sinks import active_sink
from asyncctx_trace.instrument.wrapping.awaiting import await_enter, await_exit
from asyncctx_trace.instrument.wrapping.proxy import newest

__all__ = ["is_traced_class", "traced_class", "untraced_class"]

_METHODS = ("__aenter__", "__aexit__")
_ABSENT = object()
_open: WeakIdMap[list[Acquisition]] = WeakIdMap()
"""By manager."""


def is_traced_class(cls: type) -> bool:
    """Return whether ``cls`` itself was traced, not only a base of it."""
    return any(_original(cls.__dict__.get(name)) is not None for name in _METHODS)


def traced_class(cls: type, options: dict[str, Any]) -> None:
    """Trace every manager of this class; raises NotTraceable for one that cannot be changed."""
    if is_traced_class(cls):
        return
    try:
        _watch_subclasses(cls, options)
        for each in [cls, *_subclasses(cls)]:
            _instrument(each, options, inherited=each is cls)
    except TypeError as error:
        raise NotTraceable(
            f"traced() cannot change the class {cls.__qualname__} ({error}): "
            "pass the managers themselves, or a function that makes them"
        ) from None
    forget_kinds()


def untraced_class(cls: type) -> None:
    """Restore the methods of ``cls`` and its subclasses."""
    for each in [cls, *_subclasses(cls)]:
        for name in (*_METHODS, "__init_subclass__"):
            original = _original(each.__dict__.get(name))
            if original is _ABSENT:
                delattr(each, name)
            elif original is not None:
                setattr(each, name, original)
    forget_kinds()


def _original(found: Any) -> Any:
    """Return what a method of ours replaces; ``None`` if it is not ours."""
    return getattr(getattr(found, "__func__", found), "__asyncctx_traced__", None)


def _subclasses(cls: type) -> list[type]:
    found: list[type] = []
    subclasses: list[type] = type.__subclasses__(cls)
    for subclass in subclasses:
        found += [subclass, *_subclasses(subclass)]
    return found


def _watch_subclasses(cls: type, options: dict[str, Any]) -> None:
    original = cls.__dict__.get("__init_subclass__", _ABSENT)

    def above(sub: type) -> Any:
        if original is not _ABSENT:
            return original.__get__(None, sub)
        # Not `cls`: a decorator such as dataclass(slots=True) replaces it with another class.
        bases = sub.__mro__
        holder: Any = next(b for b in bases if b.__dict__.get("__init_subclass__") is hook)
        return super(holder, sub).__init_subclass__

    @hidden
    def __init_subclass__(sub: type, **kwargs: Any) -> None:
        call_hidden(above, sub)(**kwargs)
        call_hidden(_instrument, sub, options, inherited=False)

    __init_subclass__.__asyncctx_traced__ = original  # type: ignore[attr-defined]  # ours
    hook = classmethod(__init_subclass__)  # type: ignore[arg-type,var-annotated]
    cls.__init_subclass__ = hook  # type: ignore[assignment]  # a method


def _instrument(cls: type, options: dict[str, Any], inherited: bool) -> None:
    for name, tell in zip(_METHODS, (_publishing_enter, _publishing_exit), strict=True):
        own = cls.__dict__.get(name, _ABSENT)
        method = getattr(cls, name, None) if own is _ABSENT and inherited else own
        if (
            callable(method)
            and not getattr(method, "__isabstractmethod__", False)
            and _original(method) is None
        ):
            told = tell(method, options)
            update_wrapper(told, method)
            if hasattr(inspect, "markcoroutinefunction") and inspect.iscoroutinefunction(method):
                inspect.markcoroutinefunction(told)
            told.__asyncctx_traced__ = own  # type: ignore[attr-defined]  # ours
            setattr(cls, name, told)


def _publishing_enter(
    method: Callable[..., Awaitable[Any]], options: dict[str, Any]
) -> Callable[..., Awaitable[Any]]:
    @hidden
    def __aenter__(self: Any) -> Awaitable[Any]:
        return told(method(self), self)

    @suspended
    def told(awaitable: Awaitable[Any], self: Any) -> Awaitable[Any]:
        if active_sink() is None or _is_of_subclass(self, "__aenter__"):
            return awaitable
        resource = resource_of(self, **options)
        return await_enter(awaitable, manager_of(type(self)), resource.id, partial(_opened, self))

    return __aenter__


def _publishing_exit(
    method: Callable[..., Awaitable[Any]], _options: dict[str, Any]
) -> Callable[..., Awaitable[Any]]:
    @hidden
    def __aexit__(self: Any, *exc: Any) -> Awaitable[Any]:
        awaitable = method(self, *exc)
        return told(awaitable, self, exc) if self in _open else awaitable

    @suspended
    def told(awaitable: Awaitable[Any], self: Any, exc: tuple[Any, ...]) -> Awaitable[Any]:
        open_ = _open.get(self)
        if not open_ or _is_of_subclass(self, "__aexit__"):
            return awaitable
        return await_exit(awaitable, newest(open_), exc[1] if len(exc) > 1 else None, self)

    return __aexit__


def _is_of_subclass(manager: object, method: str) -> bool:
    """Return whether the call is a subclass's ``super()`` call, not a separate acquisition."""
    frame = program_frame()
    if frame is None or frame.f_code.co_name != method:
        return False
    names = frame.f_code.co_varnames[:1]
    return bool(names) and frame.f_locals.get(names[0]) is manager


@suspended
def _opened(manager: Any, acquisition: Acquisition) -> None:
    open_ = _open.get(manager)
    if open_ is None:
        _open.add_or_keep(manager, [acquisition])
    else:
        open_.append(acquisition)
