"""Replace hot-path functions with their C implementations where these are usable.

This module imports nothing of the package: ``hatch_build.py`` loads it alone, and compiles into
each extension what :func:`schema` and :func:`sources` return. An extension that says something else
was made for other code, and is refused.
"""

from __future__ import annotations

import importlib
import os
from binascii import crc32
from collections.abc import Mapping
from pathlib import Path
from types import MethodType
from typing import Any, NamedTuple, TypeVar, cast

__all__ = [
    "ACCELERATED",
    "PURE",
    "SOURCES",
    "accelerated",
    "extension",
    "refuse",
    "schema",
    "sources",
    "status",
    "why_not",
]

T = TypeVar("T")

PURE = "ASYNCCTX_TRACE_PURE"
"""Environment variable: if it is not empty, only the Python code is used."""

FORMAT_VERSION = 4
"""``recording.format.VERSION``, which cannot be imported while the extensions are built."""

ACCELERATED: Mapping[str, tuple[str, ...]] = {
    "asyncctx_trace.instrument": (
        "publish.Acquisition",
        "rewriting.hooks.Exit",
        "sinks.active_sink",
        "publish.enter_started",
        "publish.enter_ended",
        "publish.exit_started",
        "publish.exit_ended",
        "rewriting.hooks.begin",
        "rewriting.hooks.entered",
        "rewriting.hooks.leaving",
        "rewriting.hooks.failing",
        "rewriting.hooks.suppressed",
        "rewriting.hooks.passed_on",
        "rewriting.hooks.not_cleaned",
        "wrapping.awaiting.await_enter",
        "wrapping.awaiting.await_exit",
        "registry.sites.site_at",
        "patches.spawned_tasks.SpawnWatch._task_created",
        "patches.spawned_waits.suspending_inside",
        "patches.acquire_release.Watch._acquire_started",
        "patches.acquire_release.Watch._acquired",
        "patches.acquire_release.Watch._acquire_failed",
        "patches.acquire_release.Watch._acquire_nowait_started",
        "patches.acquire_release.Watch._acquired_nowait",
        "patches.acquire_release.Watch._acquire_nowait_failed",
        "patches.acquire_release.Watch._release_started",
        "patches.acquire_release.Watch._release_through_started",
        "patches.acquire_release.Watch._released",
        "patches.acquire_release.Watch._release_failed",
        "patches.acquire_release.Watch._return_started",
        "patches.acquire_release.Watch._returned",
        "patches.acquire_release.Watch._return_failed",
        "rewriting.lock_hooks.lock_proxy",
        "waits.await_hooks.suspending",
        "waits.await_hooks.scheduled",
        "waits.watchdog.next_iteration",
    ),
    "asyncctx_trace.recording": ("writing.append.RecordAppender",),
}
"""Package -> what its extension ``_native`` implements, by module and qualified name."""

SOURCES: Mapping[str, tuple[str, ...]] = {
    "asyncctx_trace.instrument": ("instrument/native/*.c", "instrument/native/*.h"),
    "asyncctx_trace.recording": ("recording/*.c", "recording/*.h"),
}
"""Package -> its C sources, as patterns below the folder of this file."""

_FOLDER = Path(__file__).parent


class _Extension(NamedTuple):
    module: Any
    """``None`` where it is not used."""
    reason: str
    """Why it is not used."""


_extensions: dict[str, _Extension] = {}


def accelerated(thing: T) -> T:
    """Return the C implementation of a function, bound method or class in ``ACCELERATED``.

    The Python code is the reference: it is returned where no extension is usable, and the C
    implementation calls it for whatever is out of the ordinary.

    Raises:
        LookupError: ``thing`` is not in the table, or its extension does not implement it.
    """
    owner: Any = thing.__func__ if isinstance(thing, MethodType) else thing
    names = owner.__module__.split(".")
    package, name = ".".join(names[:2]), ".".join([*names[2:], owner.__qualname__])
    if name not in ACCELERATED[package]:
        raise LookupError(f"{package}.{name} is not in native.ACCELERATED")
    module = extension(package)
    return thing if module is None else cast(T, module.accelerate(name, thing))


def extension(package: str) -> Any:
    """Return the module ``_native`` of ``package``; ``None`` where it is not used."""
    found = _extensions.get(package)
    if found is None:
        found = _extensions[package] = _load(package)
        if found.reason.startswith("stale"):
            refuse(package, found.reason)
    return found.module


def why_not(package: str) -> str:
    """Return why ``package`` does not use its extension, ``""`` if it does."""
    extension(package)
    return _extensions[package].reason


def status() -> str:
    """Return one line for ``--version``: whether native code is used, and if not, why."""
    reasons = {package: why_not(package) for package in ACCELERATED}
    if not any(reasons.values()):
        return "native code"
    if len(set(reasons.values())) == 1:
        return f"pure Python: {next(iter(reasons.values()))}"
    return "; ".join(
        f"{package}: {f'pure Python: {reason}' if reason else 'native code'}"
        for package, reason in reasons.items()
    )


def refuse(package: str, reason: str) -> None:
    """Note that ``package`` does without its extension, and log the reason."""
    import logging  # a tenth of our import time, and seldom needed

    _extensions[package] = _Extension(None, reason)
    logging.getLogger("asyncctx_trace").warning(
        "asyncctx-trace: %s._native is not used (%s); install asyncctx-trace again",
        package,
        reason,
    )


def schema(package: str) -> int:
    """Return the number of what Python and the extension of ``package`` must agree on."""
    return crc32(repr((FORMAT_VERSION, ACCELERATED[package])).encode()) & 0x7FFFFFFF


def sources(package: str) -> int:
    """Return a checksum of the C sources of ``package``, 0 where they are not installed."""
    checksum = 0
    for file in sorted(file for pattern in SOURCES[package] for file in _FOLDER.glob(pattern)):
        checksum = crc32(file.read_bytes(), checksum)
    return checksum & 0x7FFFFFFF


def _load(package: str) -> _Extension:
    if os.environ.get(PURE):
        return _Extension(None, f"{PURE} is set")
    try:
        module: Any = importlib.import_module(f"{package}._native")
    except ModuleNotFoundError:
        return _Extension(None, "not compiled when asyncctx-trace was installed")
    except ImportError as error:
        return _Extension(None, str(error))
    if getattr(module, "SCHEMA", None) != schema(package):
        return _Extension(None, "stale: compiled for another version")
    if sources(package) not in (0, module.SOURCES):
        return _Extension(None, "stale: its C sources have changed since it was compiled")
    return _Extension(module, "")
