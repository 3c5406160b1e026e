"""The file of the option ``-o``, or standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from asyncctx_trace.errors import AsyncctxTraceError
from asyncctx_trace_tui.storage.atomic_write import open_atomic

__all__ = ["open_output", "require_folder"]


def require_folder(path: Path) -> None:
    """Raise AsyncctxTraceError unless the folder of ``path`` exists; a typo creates no folders."""
    folder = path.parent
    if not folder.is_dir():
        problem = "is not a folder" if folder.exists() else "does not exist"
        raise AsyncctxTraceError(
            f"cannot write {path}: the folder {folder} {problem}; create it first, or use another"
        )


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
