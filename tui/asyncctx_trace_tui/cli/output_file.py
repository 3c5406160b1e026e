"""The file of the option ``-o``, or standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TextIO

from asyncctx_trace.errors import AsyncctxTraceError
from asyncctx_trace_tui.storage.atomic_write import open_atomic
from asyncctx_trace_tui.storage.user_paths import recordings

__all__ = ["new_recording", "open_output", "require_folder"]


def require_folder(path: Path) -> None:
    """Raise AsyncctxTraceError unless the folder of ``path`` exists; a typo creates no folders."""
    folder = path.parent
    if not folder.is_dir():
        problem = "is not a folder" if folder.exists() else "does not exist"
        raise AsyncctxTraceError(
            f"cannot write {path}: the folder {folder} {problem}; create it first, or use another"
        )


def new_recording(name: str) -> Path:
    """Return the path of a new file in the state folder, named after a program and the time."""
    folder = recordings()
    started = f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    path = folder / f"{started}.actx"
    number = 1
    while path.exists():
        number += 1
        path = folder / f"{started}-{number}.actx"
    return path


@contextmanager
def open_output(output: str) -> Iterator[TextIO]:
    """Open ``output`` for writing, replaced only when complete; ``-`` is standard output.

    Raises AsyncctxTraceError if its folder does not exist.
    """
    if output == "-":
        sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # it is a file
        yield sys.stdout
        sys.stdout.flush()
    else:
        require_folder(Path(output))
        with open_atomic(Path(output)) as file:
            yield file
