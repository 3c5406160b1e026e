"""Turn tracing by rewriting on and off, for modules loaded now or later."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType, FunctionType
from typing import Any

from asyncctx_trace.errors import NotInstallable
from asyncctx_trace.instrument import settings, span_scope
from asyncctx_trace.instrument.adapters import (
    FAMILIES,
    Adapter,
    load_family,
    on_new_adapter,
    registered,
)
from asyncctx_trace.instrument.hidden_frames import suspended
from asyncctx_trace.instrument.patches import (
    acquire_release,
    interrupts,
    launchers,
    library_blocks,
    uvloop_wakeups,
)
from asyncctx_trace.instrument.patches.patch_table import (
    Patch,
    all_patches,
    apply,
    patches_of_adapter,
)
from asyncctx_trace.instrument.rewriting import main_module
from asyncctx_trace.instrument.rewriting.async_with import SUPPORTED
from asyncctx_trace.instrument.rewriting.code_rewriter import (
    Original,
    functions,
    original_of,
    rewritten,
)
from asyncctx_trace.instrument.rewriting.patching import filtering_result
from asyncctx_trace.instrument.rewriting.steered_awaits import SteeringRules
from asyncctx_trace.instrument.scope import Scope
from asyncctx_trace.instrument.waits import watchdog

__all__ = ["install", "install_at_start", "is_installed", "uninstall"]

_lock = threading.RLock()
_installed: Scope | None = None


def install(
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    all: bool = False,
    *,
    spans: bool = False,
    waits: bool | None = None,
) -> None:
    """See :func:`asyncctx_trace.instrument.api.install`.

    Without ``spans``, what is traced leaves the program's own telemetry alone, unless the settings
    say otherwise. ``waits`` says whether waits for other things than managers are recorded;
    ``None``: as the settings say.
    """
    if isinstance(include, str) or isinstance(exclude, str):
        raise TypeError('install() takes lists of names, such as include=["asyncpg"]')
    wanted = _wanted(tuple(include), tuple(exclude), all)
    scope = _scope(wanted, waits)
    with _lock:
        uninstall()
        _install(scope)
        span_scope.set_rewritten_code(spans or wanted.spans)
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if frame.f_code.co_filename in scope:
                main_module.exchange(frame.f_code, scope)
            frame = frame.f_back
        for function in list(functions()):
            code = library_blocks.counterpart(rewritten(function.__code__, scope))
            if code is not function.__code__:
                function.__code__ = code


def install_at_start(
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    all: bool = False,
    *,
    spans: bool = False,
    waits: bool | None = None,
    steering: SteeringRules | None = None,
) -> None:
    """Install before the program has begun: from its main module on; ``steering`` may delay it."""
    wanted = _wanted(tuple(include), tuple(exclude), all)
    scope = _scope(wanted, waits, steering)
    with _lock:
        _install(scope)
        span_scope.set_rewritten_code(spans or wanted.spans)

    def begun(file: str) -> None:
        if launchers.is_launcher(file):
            launchers.rewrite_executed(scope)

    if sys.argv[:1] != ["-m"]:  # the main module is imported like any other
        main_module.exchange_in_main(scope, begun)


def uninstall() -> None:
    """See :func:`asyncctx_trace.instrument.api.uninstall`."""
    global _installed
    with _lock:
        if _installed is None:
            return
        _installed = None
        span_scope.set_rewritten_code(False)
        for function in list(functions()):
            code = original_of(function.__code__)
            if code is not function.__code__:
                function.__code__ = code
        launchers.stop()
        watchdog.watch(None)
        uvloop_wakeups.restore()
        acquire_release.forget_scope()
        main_module.restore()


def is_installed() -> bool:
    """Return whether the hooks are on."""
    return _installed is not None


def _wanted(include: tuple[str, ...], exclude: tuple[str, ...], all: bool) -> settings.Settings:
    if not SUPPORTED:
        raise NotInstallable(
            f"install() needs CPython 3.11 to 3.15, but this is "
            f"{sys.implementation.name} {sys.version_info.major}.{sys.version_info.minor}: "
            "wrap managers with asyncctx_trace.traced() instead"
        )
    return settings.read(Path()).plus(include, exclude, all)


def _scope(
    wanted: settings.Settings, waits: bool | None, steering: SteeringRules | None = None
) -> Scope:
    return Scope(
        wanted.include,
        wanted.exclude,
        wanted.all,
        waits=wanted.waits if waits is None else waits,
        steering=steering,
    )


def _install(scope: Scope) -> None:
    global _installed
    _installed = scope
    watchdog.watch(scope.includes if scope.waits else None)
    if scope.waits:
        uvloop_wakeups.watch()
    waiting = _Waiting(all_patches(scope))
    for package in FAMILIES:
        if package in sys.modules:
            load_family(package)
    for adapter in registered():
        waiting.add(patches_of_adapter(adapter, scope))
    known = set(map(id, registered()))

    def add(adapter: Adapter) -> None:
        if id(adapter) not in known and _installed is scope:
            known.add(id(adapter))
            waiting.add(patches_of_adapter(adapter, scope))

    on_new_adapter(add)

    interrupts.watch_present_handlers()

    @suspended
    def loaded(module: Any) -> Any:
        name = getattr(module, "__name__", "")
        if name in FAMILIES:
            for adapter in load_family(name):
                add(adapter)
        if name == "uvloop" and scope.waits:
            uvloop_wakeups.watch()
        waiting.apply(name)
        return module

    importlib = sys.modules["_frozen_importlib"]
    load: FunctionType = importlib._load_unlocked  # noqa: SLF001 - every import calls it
    load.__code__ = filtering_result(load.__code__, loaded, Original(load.__code__))


class _Waiting:
    """Patches, each applied as soon as its module is loaded."""

    def __init__(self, patches: Iterator[Patch]) -> None:
        self._by_module: dict[str, list[Patch]] = {}
        self.add(patches)

    def add(self, patches: Iterator[Patch]) -> None:
        """Apply ``patches`` now, or when their modules are loaded."""
        for patch in patches:
            name = patch.needed_by or patch.module
            module = sys.modules.get(name)
            spec = getattr(module, "__spec__", None)
            if module is not None and not getattr(spec, "_initializing", False):
                apply(patch)
            else:
                self._by_module.setdefault(name, []).append(patch)

    def apply(self, name: str) -> None:
        """Apply the patches that wait for the module ``name``, which has been loaded."""
        for patch in self._by_module.pop(name, ()):
            apply(patch)
