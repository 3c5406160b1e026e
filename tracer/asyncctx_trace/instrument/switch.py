"""The words ``install`` and ``uninstall``; the machinery is loaded when they are said."""

from __future__ import annotations

import sys
from collections.abc import Iterable

__all__ = ["install", "uninstall"]

_MACHINERY = "asyncctx_trace.instrument.installing"


def install(include: Iterable[str] = (), exclude: Iterable[str] = (), *, all: bool = False) -> None:
    """Trace every ``async with`` of the program's own modules, loaded already or later.

    ``include`` and ``exclude`` name packages, modules or files (``"asyncpg"``, ``"acme.*"``,
    ``"*/migrations/*"``) besides; ``all`` means the installed packages and the standard library
    as well. The project's ``[tool.asyncctx-trace]`` counts, too. A second call takes the place
    of the first. Raises NotInstallable on an interpreter whose code is not known, SettingsError.
    """
    from asyncctx_trace.instrument import installing

    installing.install(include, exclude, all)


def uninstall() -> None:
    """Give everything back as it was; no error if nothing is installed.

    What is being traced at this moment is told of to its end.
    """
    if _MACHINERY in sys.modules:
        from asyncctx_trace.instrument import installing

        installing.uninstall()
