"""Puts what was compiled in place of the Python that says what it must do."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["PURE", "compiled", "extension", "is_compiled"]

T = TypeVar("T")

PURE = "ASYNCCTX_TRACE_PURE"
"""Set in the environment, it leaves us with the Python alone."""


def compiled(package: str) -> Callable[[T], T]:
    """Decorate a function or class that ``_native`` of ``package`` has a stand-in for.

    The Python stays the reference: it serves where no compiler was at hand when we were
    installed, and the stand-in of a function calls it for whatever is out of the ordinary.
    """
    speedups = extension(package)
    return _as_it_is if speedups is None else speedups.stand_in


def is_compiled(package: str) -> bool:
    """Whether there are stand-ins for what is in ``package``."""
    return extension(package) is not None


def extension(package: str) -> Any:
    """The module ``_native`` of ``package``; ``None`` where it is not there, or not wanted."""
    if os.environ.get(PURE):
        return None
    try:
        return importlib.import_module(f"{package}._native")
    except ImportError:
        return None


def _as_it_is(thing: T) -> T:
    return thing
