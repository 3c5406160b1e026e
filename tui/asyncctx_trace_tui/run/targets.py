"""What the first argument of ``run`` names: a script, a bundled scenario or a console script."""

from __future__ import annotations

import difflib
import os
import shutil
import sysconfig
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from asyncctx_trace.errors import AsyncctxTraceError, NotARecording, RecordingError
from asyncctx_trace.recording.format import HEADER_SIZE, unpack_header
from asyncctx_trace_tui.run import bundled_scenarios

__all__ = ["InvalidTarget", "python_arguments"]

_SCRIPT_SUFFIXES = (".py", ".pyc", ".pyw", ".pyz", ".zip")


class InvalidTarget(AsyncctxTraceError):
    """The target of ``run`` is not a program that Python can run."""


def python_arguments(words: Sequence[str]) -> list[str]:
    """Return the arguments of ``python`` that run a target with its arguments.

    ``words`` start with ``-m MODULE``, with a script, folder or zip file, or with the name of a
    bundled scenario or of an installed console script such as ``pytest``. Console scripts are run
    as ``python -m``, so that their modules are found in the same way.

    Raises InvalidTarget.
    """
    target, *arguments = words
    if target == "-m":
        if not arguments:
            raise InvalidTarget("-m needs the name of a module")
        return list(words)
    if os.path.lexists(target):
        _check_readable(target)
        return list(words)
    if _is_path(target):
        raise InvalidTarget(f"{target}: no such file{_similar_file(target)}")
    if target in bundled_scenarios.names():
        return [str(bundled_scenarios.find(target)), *arguments]
    command = _console_script(target)
    if command is not None:
        return [*command, *arguments]
    raise InvalidTarget(_unknown(target))


def _check_readable(target: str) -> None:
    if not os.access(target, os.R_OK):
        raise InvalidTarget(f"cannot read {target}: check its permissions")
    if Path(target).is_file() and _is_recording(Path(target)):
        raise InvalidTarget(
            f"{target} is a recording, not a program; to open it: asyncctx-trace replay {target}"
        )


def _is_recording(path: Path) -> bool:
    with path.open("rb") as file:
        header = file.read(HEADER_SIZE)
    try:
        unpack_header(header, path)
    except NotARecording:
        return False
    except RecordingError:  # a damaged one, or of a newer version
        return True
    return True


def _is_path(target: str) -> bool:
    separators = {os.sep, os.altsep or os.sep}
    return target.endswith(_SCRIPT_SUFFIXES) or bool(separators & set(target))


def _similar_file(target: str) -> str:
    folder = Path(target).parent
    try:
        names = [each.name for each in folder.iterdir() if each.suffix in _SCRIPT_SUFFIXES]
    except OSError:
        return ""
    near = difflib.get_close_matches(Path(target).name, names, n=1, cutoff=0.7)
    return f"; did you mean {folder / near[0]}?" if near else ""


def _console_script(name: str) -> list[str] | None:
    """Return the arguments of ``python`` for an installed console script, if there is one."""
    found = next(iter(entry_points(group="console_scripts", name=name)), None)
    if found is None:
        return None
    package = _package_of(found)
    if package is not None:
        return ["-m", package]
    script = shutil.which(name, path=os.pathsep.join(_script_folders()))
    if script is None or not _is_python(script):
        raise InvalidTarget(
            f"{name!r} is not a Python script; to run its module: "
            f"asyncctx-trace run -m {found.module}"
        )
    return [script]


def _package_of(script: EntryPoint) -> str | None:
    """Return the package that ``python -m`` runs as ``script``: one of the same name.

    Another package of the distribution may have a ``__main__`` module that does something else.
    Nothing is imported.
    """
    name = script.name.replace("-", "_")
    files = (script.dist.files if script.dist is not None else None) or ()
    for file in files:
        if file.name == "__main__.py" and str(file.parent).casefold() == name.casefold():
            return file.parts[0]
    return None


def _script_folders() -> list[str]:
    """Return the folders of the console scripts of this Python."""
    schemes = (sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user"))
    return [sysconfig.get_path("scripts", scheme) for scheme in schemes]


def _is_python(script: str) -> bool:
    with Path(script).open("rb") as file:
        return file.read(2) == b"#!" and b"python" in file.readline()


def _unknown(target: str) -> str:
    elsewhere = shutil.which(target)
    if elsewhere is not None:
        if not _is_python(elsewhere):
            return f"{elsewhere} is not a Python program: only Python programs can be traced"
        return (
            f"{elsewhere} belongs to another Python: install asyncctx-trace there, "
            f"or {target} beside asyncctx-trace"
        )
    near = bundled_scenarios.similar_names(target)
    return (
        f"{target!r} is neither a file, an installed command nor a bundled scenario: "
        + (f"did you mean {' or '.join(near)}? " if near else "")
        + "`asyncctx-trace scenarios` lists the scenarios"
    )
