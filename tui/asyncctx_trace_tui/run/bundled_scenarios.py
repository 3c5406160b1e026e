"""The bundled scenarios, in a checkout or an installed wheel."""

from __future__ import annotations

import ast
import difflib
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from asyncctx_trace.errors import AsyncctxTraceError
from asyncctx_trace.recording.writing.source_digest import digest_of

if TYPE_CHECKING:
    from asyncctx_trace.analysis.timeline.table import Timeline
    from asyncctx_trace_tui.view.tours.story import StoryStep

__all__ = [
    "ORDER",
    "NoSuchScenario",
    "Scenario",
    "all",
    "declared_in",
    "find",
    "folder",
    "names",
    "recorded_in",
    "similar_names",
]

ORDER = (
    "connection",
    "exceptions",
    "generator",
    "lock",
    "semaphore",
    "condition",
    "files",
    "nested",
    "exit_stack",
    "pool",
    "timeout",
    "aclose",
    "task_group",
    "cancel",
    "deadlock",
    "leak",
    "trio_nursery",
)
"""The recommended order of learning."""


class NoSuchScenario(AsyncctxTraceError):
    """There is no bundled scenario of this name."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A bundled script and its docstring."""

    name: str
    title: str
    """The docstring's first line, without the full stop."""
    story: str
    """The rest of the docstring."""
    path: Path

    @property
    def steps(self) -> tuple[StoryStep, ...]:
        """The steps of its story, as the script declares them."""
        from asyncctx_trace_tui.view.tours.story import parse_story  # not to delay a run

        return parse_story(declared_in(self.path, "STORY") or [])


def folder() -> Path:
    """Return the folder of the scenarios: in the checkout, or in the installed package."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "scenarios"
    return installed if installed.is_dir() else package.parents[1] / "scenarios"


def find(name: str) -> Path:
    """Return the path of the scenario ``name``; raises NoSuchScenario with similar names."""
    paths = _paths()
    if name in paths:
        return paths[name]
    near = similar_names(name)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise NoSuchScenario(f"unknown scenario {name!r}: {hint}`asyncctx-trace scenarios` lists all")


def names() -> list[str]:
    """Return the names of all scenarios, in the order of learning."""
    return list(_paths())


def similar_names(name: str) -> list[str]:
    """Return up to three names of scenarios that ``name`` may have been meant for."""
    paths = _paths()
    by_prefix = [each for each in paths if name and each.startswith(name)]
    return by_prefix or difflib.get_close_matches(name, paths, n=3, cutoff=0.5)


def all() -> list[Scenario]:
    """Return every bundled scenario in the order of learning; no script is executed."""
    return [_read(name, path) for name, path in _paths().items()]


def recorded_in(timeline: Timeline) -> Scenario | None:
    """Return the scenario that ``timeline`` is a recording of, if any.

    A file of the same name is not enough: it must be the same file, or have the same content.
    """
    paths = _paths()
    for site in timeline.sites.values():
        path = paths.get(PurePath(site.file).stem)
        if path is not None and (Path(site.file) == path or _is_copy(path, site.digest)):
            return _read(path.stem, path)
    return None


def _is_copy(path: Path, digest: str) -> bool:
    return bool(digest) and digest_of(path.read_bytes()) == digest


def declared_in(path: Path, name: str) -> object:
    """Return the literal that a script assigns to ``name``, ``None`` if it assigns none.

    The script is not executed.
    """
    for statement in ast.parse(path.read_bytes()).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=found)], value=value) if found == name:
                return ast.literal_eval(value)
    return None


def _paths() -> dict[str, Path]:
    found = {path.stem: path for path in folder().glob("[!_]*.py")}
    return {
        name: found[name] for name in [*ORDER, *sorted(found.keys() - {*ORDER})] if name in found
    }


def _read(name: str, path: Path) -> Scenario:
    docstring = ast.get_docstring(ast.parse(path.read_bytes())) or name
    title, _, story = docstring.partition("\n")
    return Scenario(name, title.strip().rstrip("."), story.strip(), path)
