"""The proxy around one manager: it behaves as the manager, and publishes its events."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Iterator
from typing import Any

import wrapt

from asyncctx_trace.instrument import acceleration
from asyncctx_trace.instrument.hidden_frames import hidden, suspended
from asyncctx_trace.instrument.publish import Acquisition
from asyncctx_trace.instrument.registry.resources import Resource, kind_of
from asyncctx_trace.instrument.registry.tasks import current_task
from asyncctx_trace.instrument.sinks import active_sink
from asyncctx_trace.instrument.wrapping.awaiting import await_enter, await_exit, special

__all__ = ["TracedManager", "traced_manager"]


class _Watch:
    """The state of a proxy in one object: attribute look-ups on a proxy are slow."""

    __slots__ = ("manager", "open", "plain", "resource")

    def __init__(self, cls: type, resource: Resource) -> None:
        kind = kind_of(cls)
        self.resource = resource
        self.manager = kind.manager
        self.plain = kind.plain
        self.open: list[Acquisition] = []


class TracedManager(wrapt.ObjectProxy):  # type: ignore[type-arg,unused-ignore]  # from 2.0 on
    """Forward everything to the manager, and publish each acquisition of it.

    One proxy may be entered by many tasks at once: each exit finds the acquisition of its own
    task; an exit in a task that never entered takes the oldest that is open.
    """

    _self_is_asyncctx_proxy = True

    def __init__(self, manager: Any, resource: Resource) -> None:
        super().__init__(manager)
        self._self_watch = _Watch(type(manager), resource)

    @hidden
    def __aenter__(self) -> Awaitable[Any]:  # type: ignore[override,unused-ignore]
        manager, watch = self.__wrapped__, self._self_watch
        awaitable: Awaitable[Any] = (
            type(manager).__aenter__(manager) if watch.plain else special(manager, "__aenter__")()
        )
        if active_sink() is None:
            return awaitable
        return await_enter(awaitable, watch.manager, watch.resource.id, watch.open.append)

    @hidden
    def __aexit__(self, *exc: Any) -> Awaitable[Any]:  # type: ignore[override,unused-ignore]
        manager, watch = self.__wrapped__, self._self_watch
        awaitable: Awaitable[Any] = (
            type(manager).__aexit__(manager, *exc)
            if watch.plain
            else special(manager, "__aexit__")(*exc)
        )
        open_ = watch.open
        if not open_:
            return awaitable
        acquisition = open_.pop() if len(open_) == 1 else newest(open_)
        return await_exit(awaitable, acquisition, exc[1] if len(exc) > 1 else None, manager)

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __copy__(self) -> Any:
        return copy.copy(self.__wrapped__)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return copy.deepcopy(self.__wrapped__, memo)

    def __reduce__(self) -> Any:
        return self.__wrapped__.__reduce__()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__wrapped__.__reduce_ex__(protocol)


TracedManager.__aenter__.__asyncctx_traced__ = True  # type: ignore[attr-defined]  # see Kind


class _Awaitable(TracedManager):
    """A manager that can also be awaited: ``await pool.acquire()``."""

    def __await__(self) -> Iterator[Any]:
        return special(self.__wrapped__, "__await__")()  # type: ignore[no-any-return]  # of the program


class _Decorator(TracedManager):
    """A manager that can decorate a coroutine function, each call of which enters it."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        manager = self.__wrapped__
        if not hasattr(type(manager), "_recreate_cm"):
            return manager(*args, **kwargs)
        # The manager's own decorator, except that the managers it recreates are traced.
        return type(manager).__call__(self, *args, **kwargs)

    def _recreate_cm(self) -> Any:
        manager = self.__wrapped__._recreate_cm()  # noqa: SLF001 - as contextlib's decorator does
        return traced_manager(manager, self._self_watch.resource)


class _AwaitableDecorator(_Awaitable, _Decorator):
    """A manager that can be awaited and can decorate."""


_classes: dict[tuple[bool, bool], type[TracedManager]] = {
    (False, False): TracedManager,
    (True, False): _Awaitable,
    (False, True): _Decorator,
    (True, True): _AwaitableDecorator,
}


def traced_manager(manager: Any, resource: Resource) -> TracedManager:
    """Return a proxy with the abilities of ``manager``."""
    cls = type(manager)
    return _classes[hasattr(cls, "__await__"), callable(manager)](manager, resource)


@suspended
def newest(open_: list[Acquisition]) -> Acquisition:
    """Remove and return the newest acquisition of the running task, else the oldest of all."""
    task = current_task()
    for index in range(len(open_) - 1, -1, -1):
        if open_[index].task is task:
            return open_.pop(index)
    return open_.pop(0)


acceleration.bind()
