"""The ``-o`` option's file, or standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from asyncctx_trace_tui.storage.atomic_write import open_atomic

__all__ = ["open_output"]


@contextmanager
def open_output(output: str) -> Iterator[TextIO]:
    """Open ``output`` for writing, replaced only when complete; ``-`` is standard output."""
    if output == "-":
        sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # it is a file
        yield sys.stdout
        sys.stdout.flush()
    else:
        with open_atomic(Path(output)) as file:
            yield file
