"""The folder of the sockets of programs that listen: the user's own, and nobody else's."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from asyncctx_trace.errors import AsyncctxTraceError

__all__ = ["folders_of", "own_folder"]


def own_folder() -> Path:
    """Return the folder of this user, which is created if need be, with mode 0700.

    Raises AsyncctxTraceError if it is another user's, or others may write to it.
    """
    base = os.environ.get("XDG_RUNTIME_DIR")
    folder = (
        Path(base) / "asyncctx-trace"
        if base and Path(base).is_dir()
        else Path(tempfile.gettempdir()) / f"asyncctx-trace-{os.getuid()}"
    )
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise AsyncctxTraceError(
            f"{folder} is not a folder of yours alone: remove it, or set XDG_RUNTIME_DIR"
        )
    return folder


def folders_of(uid: int, root: Path) -> list[Path]:
    """Return where programs of the user ``uid`` listen, as seen from the root folder ``root``."""
    base = os.environ.get("XDG_RUNTIME_DIR") if uid == os.getuid() else None
    candidates = [
        *([Path(base) / "asyncctx-trace"] if base else []),
        Path(f"/run/user/{uid}/asyncctx-trace"),
        Path(tempfile.gettempdir()) / f"asyncctx-trace-{uid}",
        Path(f"/tmp/asyncctx-trace-{uid}"),
    ]
    return [root / folder.relative_to("/") for folder in dict.fromkeys(candidates)]
