"""Follow coroutines that were running before recording began, whose code has no hooks.

A coroutine in flight runs its code as it was. But the exits that it keeps on its stack are methods
of classes, and so are the enters that it will call: these functions are changed as long as the
recording lasts. The changed code publishes what code without hooks does, and nothing else.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable
from types import CodeType, FunctionType
from typing import Any

from asyncctx_trace.instrument import publish, sinks
from asyncctx_trace.instrument.adapters import registered
from asyncctx_trace.instrument.hidden_frames import program_frame, suspended
from asyncctx_trace.instrument.publish import Acquisition
from asyncctx_trace.instrument.registry import resources, sites
from asyncctx_trace.instrument.registry.tasks import current_task
from asyncctx_trace.instrument.rewriting.bytecode import UnsupportedCode
from asyncctx_trace.instrument.rewriting.code_rewriter import Original, original_of
from asyncctx_trace.instrument.rewriting.patching import watched

__all__ = ["follow", "forget", "holds"]

_open: dict[int, list[Acquisition]] = {}
"""By the address of the manager, which the coroutine that is inside keeps alive."""
_codes: dict[int, CodeType] = {}
"""The code without hooks that runs in coroutines in flight, by its address."""


def follow(codes: Iterable[CodeType], classes: Iterable[type]) -> None:
    """Publish from now on what coroutines with one of ``codes`` enter, and what anybody leaves.

    ``classes`` are those of managers; those of the adapters whose libraries are loaded are added.
    """
    _codes.update((id(code), code) for code in codes)
    for cls in dict.fromkeys([*classes, *_known_classes()]):
        for name, calls in _CALLS.items():
            function = next((vars(b)[name] for b in cls.__mro__ if name in vars(b)), None)
            if isinstance(function, FunctionType):
                _watch(function, calls)


def forget() -> None:
    """Forget what was open; the functions get their own code back from ``uninstall``."""
    _open.clear()
    _codes.clear()


def holds(manager: object, acquisition: Acquisition) -> None:
    """Note that ``acquisition``, which began without a hook, will end by an exit of ``manager``."""
    _open.setdefault(id(manager), []).append(acquisition)


def _known_classes() -> list[type]:
    found = []
    for adapter in registered():
        module, _, name = adapter.manager.rpartition(".")
        cls = getattr(sys.modules.get(module), name, None)
        if isinstance(cls, type):
            found.append(cls)
    return found


def _watch(function: FunctionType, calls: tuple[Any, Any, Any]) -> None:
    code = function.__code__
    if not code.co_flags & inspect.CO_COROUTINE or any(c is calls for c in code.co_consts):
        return
    try:
        function.__code__ = watched(
            code, *calls, code.co_argcount, calls, Original(original_of(code))
        )
    except (UnsupportedCode, ValueError, LookupError):  # its managers are not followed
        return


# The recording may begin or end at any instruction of the program, also inside of these functions.


def _harmless(hook: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``hook`` such that nothing comes out of it into the program."""

    def call(*arguments: Any) -> Any:
        try:
            return hook(*arguments)
        except Exception as error:
            sinks.hook_failed(error)
            return None

    return suspended(call)


@_harmless
def _enter_started(manager: Any) -> tuple[Acquisition, Any] | None:
    if sinks.active_sink() is None:
        return None
    method = program_frame()
    caller = None if method is None else method.f_back
    if caller is None or id(caller.f_code) not in _codes:
        return None
    kind = resources.kind_of(type(manager))
    if not kind.manager or kind.traced:
        return None
    site = sites.site_at(caller)
    resource = resources.resource_at(site, manager, kind)
    acquisition = publish.enter_started(kind.manager, resource, site.id)
    return None if acquisition is None else (acquisition, manager)


@_harmless
def _entered(handle: tuple[Acquisition, Any] | None, result: object) -> None:  # noqa: ARG001 - hook
    if handle is not None:
        publish.enter_ended(handle[0])
        holds(handle[1], handle[0])


@_harmless
def _enter_failed(handle: tuple[Acquisition, Any] | None, error: BaseException) -> None:
    if handle is not None:
        publish.enter_ended(handle[0], error)


@_harmless
def _exit_started(manager: Any, *exc: Any) -> Acquisition | None:
    mine = _open.get(id(manager))
    if not mine:
        return None
    task = current_task()
    acquisition = next((each for each in reversed(mine) if each.task is task), None)
    if acquisition is None:
        return None
    mine.remove(acquisition)
    if not mine:
        _open.pop(id(manager), None)
    publish.exit_started(acquisition, exc[1] if len(exc) == 3 else None)
    return acquisition


@_harmless
def _exited(acquisition: Acquisition | None, result: object) -> None:
    if acquisition is not None:
        publish.exit_ended(acquisition, None, result is True)


@_harmless
def _exit_failed(acquisition: Acquisition | None, error: BaseException) -> None:
    if acquisition is not None:
        publish.exit_ended(acquisition, error)


_CALLS = {
    "__aenter__": (_enter_started, _entered, _enter_failed),
    "__aexit__": (_exit_started, _exited, _exit_failed),
}
