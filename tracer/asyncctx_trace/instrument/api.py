"""The public functions ``install`` and ``uninstall``, which import the implementation lazily."""

from __future__ import annotations

import sys
from collections.abc import Iterable

__all__ = ["install", "uninstall"]

_MACHINERY = "asyncctx_trace.instrument.rewriting.import_hook"


def install(include: Iterable[str] = (), exclude: Iterable[str] = (), *, all: bool = False) -> None:
    """Trace every ``async with`` of the program's own modules, loaded now or later.

    The program's own modules are those that are neither installed packages nor part of the standard
    library. The settings in ``[tool.asyncctx-trace]`` of the project's ``pyproject.toml`` apply as
    well. With a TracerProvider or a MeterProvider, what is traced becomes spans and metrics. A
    second call replaces the first one.

    Args:
        include: More packages, modules or files: ``"asyncpg"``, ``"acme.*"``, ``"*/store/*"``.
        exclude: Packages, modules or files to leave out. Takes precedence over ``include``.
        all: Trace installed packages and the standard library too.

    Raises:
        NotInstallable: The interpreter is not a supported version of CPython.
        SettingsError: ``pyproject.toml`` contains an invalid setting.
        TypeError: ``include`` or ``exclude`` is a string instead of a list of strings.

    Example:
        >>> import asyncctx_trace
        >>> asyncctx_trace.install(exclude=["acme.migrations"])
        >>> asyncctx_trace.uninstall()
    """
    from asyncctx_trace.instrument.rewriting import import_hook

    import_hook.install(include, exclude, all, spans=True)


def uninstall() -> None:
    """Restore all code that :func:`install` has rewritten.

    Acquisitions that are open at that moment are still traced to their end. If nothing is
    installed, it has no effect.
    """
    if _MACHINERY in sys.modules:
        from asyncctx_trace.instrument.rewriting import import_hook

        import_hook.uninstall()
