"""Which files are the program's own, and so are traced without a word in them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from fnmatch import fnmatchcase

__all__ = ["Scope"]

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_OURS = (_PACKAGE + os.sep, os.path.join(os.path.dirname(_PACKAGE), "asyncctx_trace_tui") + os.sep)
_INSTALLED = frozenset({"site-packages", "dist-packages"})


class Scope:
    """Says of a file whether it is traced: ``exclude`` wins over ``include`` over the default.

    The default is the program's own code: what is neither in the standard library nor among
    the installed packages, so also packages installed in editable mode. A pattern is the name
    of a package or module, with all that is in it (``asyncpg``), such a name with wildcards
    (``acme.*.store``), or a path with wildcards (``*/migrations/*``).
    """

    def __init__(
        self, include: Iterable[str] = (), exclude: Iterable[str] = (), everything: bool = False
    ) -> None:
        self._include = tuple(include)
        self._exclude = tuple(exclude)
        self._everything = everything
        self._known: dict[str, bool] = {}

    def __contains__(self, file: str) -> bool:
        known = self._known.get(file)
        if known is None:
            known = self._known[file] = self._decide(file)
        return known

    def _decide(self, file: str) -> bool:
        if file.startswith("<"):
            # The standard library's frozen modules; `python -c` and stdin are the program.
            return file in ("<string>", "<stdin>")
        path = os.path.abspath(file)
        if path.startswith(_OURS):
            return False
        name = _module_name(path)
        if any(_matches(pattern, name, path) for pattern in self._exclude):
            return False
        if self._everything or any(_matches(pattern, name, path) for pattern in self._include):
            return True
        if not _INSTALLED.isdisjoint(path.split(os.sep)):
            return False
        return not path.startswith(_standard_library())


def _matches(pattern: str, name: str, path: str) -> bool:
    if os.sep in pattern or "/" in pattern:
        return fnmatchcase(path, pattern) or fnmatchcase(path, os.path.abspath(pattern))
    return name == pattern or name.startswith(pattern + ".") or fnmatchcase(name, pattern)


def _module_name(path: str) -> str:
    """The name by which ``path`` is imported, going by the longest entry of the import path."""
    entries = {os.path.abspath(entry) for entry in sys.path}
    folder = path
    while (parent := os.path.dirname(folder)) != folder:
        folder = parent
        if folder in entries or os.path.basename(folder) in _INSTALLED:
            break
    else:
        folder = os.path.dirname(path)
    name = os.path.splitext(os.path.relpath(path, folder))[0].replace(os.sep, ".")
    return name.removesuffix(".__init__")


def _standard_library() -> str:
    return os.path.dirname(os.path.abspath(os.__file__)) + os.sep
