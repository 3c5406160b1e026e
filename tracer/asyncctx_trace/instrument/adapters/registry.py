"""The table of adapters: those of this package, those that packages announce, the program's own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module

from asyncctx_trace.instrument.adapters.model import Adapter
from asyncctx_trace.instrument.registry.lookups import full_name, module_name, mro

__all__ = [
    "ENTRY_POINTS",
    "FAMILIES",
    "adapter_for",
    "built_in",
    "load_family",
    "on_new_adapter",
    "register_adapter",
    "registered",
]

ENTRY_POINTS = "asyncctx_trace.adapters"
"""The entry point group in which a package may announce adapters: each is an Adapter or a list."""

FAMILIES = {
    "_asyncio": "standard_library",
    "asyncio": "standard_library",
    "contextlib": "standard_library",
    "aio_pika": "amqp",
    "aiofiles": "files",
    "aiohttp": "http",
    "anyio": "structured",
    "asyncpg": "postgres",
    "httpcore": "http",
    "httpcore2": "http",
    "httpx": "http",
    "httpx2": "http",
    "psycopg": "postgres",
    "psycopg_pool": "postgres",
    "redis": "redis",
    "sqlalchemy": "sqlalchemy",
    "trio": "structured",
}
"""Top-level package -> the module beside this one that knows it, loaded once it is needed."""

_by_name: dict[str, Adapter] = {}
_loaded: dict[str, tuple[Adapter, ...]] = {}
_announced_read = False
_notify: Callable[[Adapter], None] | None = None


def register_adapter(adapter: Adapter) -> None:
    """Add ``adapter`` to the table of known managers; replace an entry for the same class.

    Call it before the first acquisition of the class. A package can also announce adapters in the
    entry point group ``asyncctx_trace.adapters``; each entry is an adapter or a list of adapters.

    Args:
        adapter: The description of the class. See :class:`Adapter` for an example.
    """
    _by_name[adapter.manager] = adapter
    if _notify is not None:
        _notify(adapter)


def on_new_adapter(notify: Callable[[Adapter], None] | None) -> None:
    """Call ``notify`` with every adapter that is registered from now on."""
    global _notify
    _notify = notify


def adapter_for(cls: type) -> Adapter | None:
    """Return the entry for ``cls`` or the nearest of its bases, ``None`` for an unknown manager."""
    _read_announced()
    for base in mro(cls):
        load_family(module_name(base).partition(".")[0])
        found = _by_name.get(full_name(base))
        if found is not None:
            return found
    return None


def registered() -> list[Adapter]:
    """Return the announced adapters, the program's own, and those loaded up to now."""
    _read_announced()
    return list(_by_name.values())


def load_family(package: str) -> tuple[Adapter, ...]:
    """Return the adapters for a top-level package; the first call adds them to the table."""
    family = FAMILIES.get(package)
    if family is None:
        return ()
    adapters = _loaded.get(family)
    if adapters is None:
        module = import_module(f"asyncctx_trace.instrument.adapters.{family}")
        adapters = _loaded[family] = module.ADAPTERS
        for adapter in adapters:
            _by_name.setdefault(adapter.manager, adapter)
    return adapters


def built_in() -> list[Adapter]:
    """Return all adapters of this package."""
    return [a for family in dict.fromkeys(FAMILIES.values()) for a in _family(family)]


def _family(family: str) -> tuple[Adapter, ...]:
    return load_family(next(package for package, its in FAMILIES.items() if its == family))


def _read_announced() -> None:
    global _announced_read
    if _announced_read:
        return
    _announced_read = True
    # importlib.metadata takes as long to import as all of ours, and then reads every package's
    # metadata. Where nothing is announced, only small files are read, and without pathlib.
    if not any(_announces(folder or os.curdir) for folder in sys.path):
        return
    from importlib.metadata import entry_points

    for entry in entry_points(group=ENTRY_POINTS):
        try:
            loaded = entry.load()
            for adapter in [loaded] if isinstance(loaded, Adapter) else loaded:
                _by_name.setdefault(adapter.manager, adapter)
        except Exception as error:
            import logging

            logging.getLogger("asyncctx_trace").error(  # noqa: TRY400 - one line is enough
                "asyncctx-trace: cannot load the adapter %s: %s", entry.value, error
            )


def _announces(folder: str) -> bool:
    try:
        packages = [entry.path for entry in os.scandir(folder) if entry.name.endswith(".dist-info")]
    except OSError:
        return False
    for package in packages:
        try:
            with open(f"{package}/entry_points.txt", "rb") as file:  # noqa: PTH123 - see above
                found = ENTRY_POINTS.encode() in file.read()
            if found:
                return True
        except OSError:  # most have none
            continue
    return False
