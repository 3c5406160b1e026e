"""The word ``traced``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from asyncctx_trace.errors import NotTraceable
from asyncctx_trace.instrument.resources import resource_of

__all__ = ["traced"]

T = TypeVar("T")


def traced(
    target: T,
    /,
    *,
    name: str | None = None,
    kind: str | None = None,
    resource: object = None,
    capacity: int | None = None,
) -> T:
    """Publish every acquisition of ``target``: a manager, or a function that returns one.

    ``name`` and ``kind`` say what it is called and is; ``resource`` is the object (or its name)
    that tasks contend for, where that is not the manager; ``capacity`` how many may hold it.
    Raises NotTraceable for anything else.
    """
    # Here, because wrapt imports asyncio, which costs more than all of ours.
    from asyncctx_trace.instrument.manager import TracedManager

    cls = type(target)
    if cls is TracedManager:
        return target
    if hasattr(cls, "__aenter__") and hasattr(cls, "__aexit__"):
        found = resource_of(target, name=name, kind=kind, resource=resource, capacity=capacity)
        return cast(T, TracedManager(target, found))
    if callable(target) and not isinstance(target, type):
        options = {"name": name, "kind": kind, "resource": resource, "capacity": capacity}
        return cast(T, _traced_factory(target, options))
    raise NotTraceable(
        f"traced() cannot trace a {cls.__qualname__}: give it an async context manager "
        "(an object with __aenter__ and __aexit__) or a function that returns one"
    )


def _traced_factory(factory: Callable[..., Any], options: dict[str, Any]) -> Callable[..., Any]:
    from asyncctx_trace.instrument.manager import TracedManager

    if options["name"] is None:
        options["name"] = getattr(factory, "__qualname__", None)

    @functools.wraps(factory)
    def make(*args: Any, **kwargs: Any) -> Any:
        manager = factory(*args, **kwargs)
        return TracedManager(manager, resource_of(manager, **options))

    return make
