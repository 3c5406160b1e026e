"""Opens regular files, and nothing that can block or act when it is opened."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from asyncctx_trace.errors import NotARecording

__all__ = ["open_regular"]

_FLAGS = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_BINARY", "O_CLOEXEC", "O_NOCTTY", "O_NONBLOCK")
)


def open_regular(path: Path | str) -> int:
    """Return a file descriptor for reading ``path``, which must be a regular file.

    A FIFO would block its reader for as long as it likes, and a device never ends. Raises
    NotARecording, or OSError.
    """
    _check(Path(path).stat().st_mode, path)  # opening a device may already have an effect
    fd = os.open(path, _FLAGS)
    try:
        _check(os.fstat(fd).st_mode, path)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _check(mode: int, path: Path | str) -> None:
    if stat.S_ISDIR(mode):
        raise NotARecording(f"{path} is a folder: use a recording in it")
    if not stat.S_ISREG(mode):
        raise NotARecording(f"{path} is not a regular file: copy its content into one first")
