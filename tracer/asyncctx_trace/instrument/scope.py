"""Which files are the program's own, and so are traced without any change to them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from asyncctx_trace.instrument.hidden_frames import call_hidden, hidden

if TYPE_CHECKING:
    from asyncctx_trace.instrument.rewriting.steered_awaits import SteeringRules

__all__ = ["Scope"]

_PACKAGE = Path(__file__).absolute().parents[1]
_OURS = (_PACKAGE, _PACKAGE.with_name("asyncctx_trace_tui"))
_SCENARIOS = _PACKAGE.with_name("asyncctx_trace_tui") / "scenarios"
"""Where a wheel has the bundled scenarios: programs, though they lie among the installed."""
_INSTALLED = frozenset({"site-packages", "dist-packages"})


class _Decisions(dict[str, bool]):
    """What was decided of each file; a file that is new is decided on first look-up."""

    def __init__(self, decide: Callable[[str], bool]) -> None:
        self._decide = decide

    @hidden
    def __missing__(self, file: str) -> bool:
        decision: bool = call_hidden(self._decide, file)
        self[file] = decision
        return decision


class Scope:
    """Decide whether a file is traced: ``exclude`` wins over ``include`` over the default.

    The default is the program's own code: what is neither in the standard library nor among
    the installed packages, so also packages installed in editable mode. A pattern is the name
    of a package or module, with all that is in it (``asyncpg``), such a name with wildcards
    (``acme.*.store``), or a path with wildcards (``*/migrations/*``).
    """

    def __init__(
        self,
        include: Iterable[str] = (),
        exclude: Iterable[str] = (),
        everything: bool = False,
        *,
        waits: bool = True,
        steering: SteeringRules | None = None,
    ) -> None:
        self._include = tuple(include)
        self._exclude = tuple(exclude)
        self._everything = everything
        self.waits = waits
        """Whether waits for other things than managers are recorded."""
        self.steering = steering
        """What may delay the awaits of these files; ``None`` unless the program is steered."""
        self.includes: Callable[[str], bool] = _Decisions(self._decide).__getitem__
        """Whether a file is traced. Bound once, and written in C: hooks ask at every call."""

    @hidden
    def __contains__(self, file: str) -> bool:
        return self.includes(file)

    def _decide(self, file: str) -> bool:
        if file.startswith("<"):
            # The standard library's frozen modules; `python -c` and stdin are the program.
            return file in ("<string>", "<stdin>")
        path = Path(file).absolute()
        scenario = path.is_relative_to(_SCENARIOS)
        if not scenario and any(map(path.is_relative_to, _OURS)):
            return False
        name = _module_name(path)
        if any(_matches(pattern, name, path) for pattern in self._exclude):
            return False
        if (
            scenario
            or self._everything
            or any(_matches(pattern, name, path) for pattern in self._include)
        ):
            return True
        return _INSTALLED.isdisjoint(path.parts) and not path.is_relative_to(_STANDARD_LIBRARY)


_STANDARD_LIBRARY = Path(os.__file__).absolute().parent


def _matches(pattern: str, name: str, path: Path) -> bool:
    if "/" in pattern or os.sep in pattern:
        return fnmatchcase(str(path), pattern) or fnmatchcase(
            str(path), str(Path(pattern).absolute())
        )
    return name == pattern or name.startswith(pattern + ".") or fnmatchcase(name, pattern)


def _module_name(path: Path) -> str:
    """The name by which ``path`` is imported, going by the longest entry of the import path."""
    entries = {Path(entry).absolute() for entry in sys.path}
    for folder in path.parents:
        if folder in entries or folder.name in _INSTALLED:
            break
    else:
        folder = path.parent
    return ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")
