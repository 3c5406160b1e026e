"""The public functions ``traced`` and ``untraced``."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast, overload

from asyncctx_trace.errors import NotTraceable
from asyncctx_trace.instrument import span_scope
from asyncctx_trace.instrument.adapters import AtCreation, adapter_for
from asyncctx_trace.instrument.hidden_frames import call_hidden, hidden
from asyncctx_trace.instrument.registry.resources import kind_of, resource_of

__all__ = ["traced", "untraced"]

T = TypeVar("T")

_GIVE = (
    "pass an async context manager (an object with __aenter__ and __aexit__), a class of "
    "them, or a function that returns one"
)


@overload
def traced(
    target: T,
    /,
    *,
    name: str | None = None,
    kind: str | None = None,
    resource: object = None,
    capacity: int | None = None,
) -> T: ...
@overload
def traced(
    *,
    name: str | None = None,
    kind: str | None = None,
    resource: object = None,
    capacity: int | None = None,
) -> Callable[[T], T]: ...
@hidden
def traced(
    *target: Any,
    name: str | None = None,
    kind: str | None = None,
    resource: object = None,
    capacity: int | None = None,
) -> Any:
    """Publish every acquisition of ``target``.

    Use it as a wrapper around a manager, or as a decorator of a class or function, with or without
    options. A manager is wrapped in a proxy, a function in a function that wraps what it returns; a
    class is changed in place. What is traced already is returned unchanged.

    Args:
        target: An async context manager, a class of them, or a function that returns one.
            Methods, static methods and class methods work as well.
        name: The resource's name on screen and in spans. Default: the name of the class or
            function. Spans and metrics are grouped by name: do not put ids of requests into it.
        kind: What the resource is, such as ``"lock"`` or ``"pool"``. Default: from the adapter of
            the class, otherwise ``"manager"``.
        resource: The object that tasks contend for, or its name, if it is not the manager itself.
        capacity: How many acquisitions may hold the resource at once. Default: from the adapter;
            otherwise unknown.

    Returns:
        The traced target, or a decorator if ``target`` is left out.

    Raises:
        NotTraceable: ``target`` is not a manager and does not make one. Also a ``TypeError``.

    Example:
        >>> import asyncio
        >>> from asyncctx_trace import traced
        >>> async def main():
        ...     lock = traced(asyncio.Lock(), name="db lock")
        ...     async with lock:
        ...         return lock.locked()
        >>> asyncio.run(main())
        True
    """
    options = {"name": name, "kind": kind, "resource": resource, "capacity": capacity}
    if not target:
        return partial(traced, **options)
    if len(target) > 1:
        raise NotTraceable("traced() takes one target: call it once for each")
    if not span_scope.requested:
        call_hidden(span_scope.request)
    if sys.getrefcount(target[0]) <= _UNSHARED:
        call_hidden(_remember_unused, target[0])
    return call_hidden(_traced, target[0], options)


def _references(*target: Any) -> int:
    return sys.getrefcount(target[0])


_UNSHARED = _references(object())
"""References to an argument of ``traced`` that nothing else refers to."""


def _remember_unused(target: Any) -> None:
    """Read the capacity of what was made for this call: nobody can have taken it yet."""
    adapter = adapter_for(type(target))
    if adapter is not None and isinstance(adapter.capacity, AtCreation):
        adapter.capacity.remember(target, adapter.capacity.unused(target))


@hidden
def untraced(target: T) -> T:
    """Return what was given to :func:`traced`.

    Args:
        target: A traced manager, function or class, or anything else.

    Returns:
        The original manager or function. A class is restored in place and returned. Anything that
        is not traced is returned unchanged.

    Example:
        >>> import asyncio
        >>> from asyncctx_trace import traced, untraced
        >>> lock = asyncio.Lock()
        >>> untraced(traced(lock)) is lock
        True
    """
    original: T = call_hidden(_untraced, target)
    return original


def _untraced(target: T) -> T:
    if isinstance(target, type):
        from asyncctx_trace.instrument.wrapping.classes import is_traced_class, untraced_class

        if is_traced_class(target):
            untraced_class(target)
        return target
    if isinstance(target, staticmethod | classmethod):
        return cast(T, type(target)(_untraced(target.__func__)))
    if _is_proxy(target):
        return cast(T, target.__wrapped__)  # type: ignore[attr-defined]  # a proxy
    return cast(T, getattr(target, "__asyncctx_factory__", target))


def _traced(target: Any, options: dict[str, Any]) -> Any:
    cls = type(target)
    if _is_proxy(target) or hasattr(target, "__asyncctx_factory__"):
        return target
    if isinstance(target, type):
        return _traced_class(target, options)
    if kind_of(cls).manager:
        # Here, because wrapt imports asyncio, which costs more than all of ours.
        from asyncctx_trace.instrument.patches.patch_table import apply_named
        from asyncctx_trace.instrument.wrapping.proxy import traced_manager

        found = resource_of(target, **options)
        found.traced = True
        apply_named(target, found)
        return target if kind_of(cls).traced else traced_manager(target, found)
    if isinstance(target, staticmethod | classmethod):
        return cls(_traced(target.__func__, options))
    if callable(target):
        return _traced_factory(target, options)
    raise NotTraceable(f"traced() cannot trace {_of(target)}: {_GIVE}")


def _traced_class(cls: type, options: dict[str, Any]) -> type:
    if not (hasattr(cls, "__aenter__") and hasattr(cls, "__aexit__")):
        raise NotTraceable(
            f"traced() cannot trace the class {cls.__qualname__}, which has no "
            f"__aenter__ and __aexit__: {_GIVE}"
        )
    from asyncctx_trace.instrument.wrapping.classes import traced_class

    traced_class(cls, options)
    return cls


def _traced_factory(factory: Callable[..., Any], options: dict[str, Any]) -> Callable[..., Any]:
    import inspect

    if inspect.isasyncgenfunction(factory):
        raise NotTraceable(
            f"traced() cannot trace the async generator function {_name_of(factory)}: "
            "put @traced above @asynccontextmanager"
        )
    if inspect.iscoroutinefunction(factory):
        raise NotTraceable(
            f"traced() cannot trace the coroutine function {_name_of(factory)}: "
            "trace what it returns, as in traced(await f())"
        )
    # What the first call needs is loaded now: then it would hold up a running loop.
    import asyncctx_trace.instrument.patches.patch_table
    import asyncctx_trace.instrument.wrapping.proxy  # noqa: F401 - loading it is the purpose

    options = {**options, "name": options["name"] or _name_of(factory)}

    @hidden
    def make(*args: Any, **kwargs: Any) -> Any:
        # Of all that may go wrong here, only what the factory raises is the caller's business:
        # what is no manager goes back untouched, for `async with` to complain about.
        return call_hidden(_traced_product, factory(*args, **kwargs), options)

    functools.update_wrapper(make, factory)
    make.__asyncctx_factory__ = factory  # type: ignore[attr-defined]  # ours
    return make


def _traced_product(made: Any, options: dict[str, Any]) -> Any:
    kind = kind_of(type(made))
    if _is_proxy(made) or not kind.manager or kind.traced:
        return made
    return _traced(made, options)


def _is_proxy(target: object) -> bool:
    # By the class and not by isinstance: a proxy says that it is of its manager's class.
    return hasattr(type(target), "_self_is_asyncctx_proxy")


def _name_of(factory: Any) -> str | None:
    return getattr(factory, "__qualname__", None)


def _of(target: object) -> str:
    if hasattr(type(target), "__enter__"):
        return f"a {type(target).__qualname__}, which is entered with a plain `with`"
    if hasattr(type(target), "__await__"):
        return f"a {type(target).__qualname__}, which must be awaited first"
    return f"a {type(target).__qualname__}"
