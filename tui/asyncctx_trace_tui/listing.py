"""The script of a site, as it stands on the disk now, read with care."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

__all__ = ["Listing", "listing"]

_LARGEST = 2_000_000
"""Bytes of a script that is shown."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The lines of a file, or why they cannot be shown."""

    path: str
    lines: tuple[str, ...]
    trouble: str = ""
    modified: float = 0.0
    """Seconds since 1970."""


@lru_cache(maxsize=32)
def listing(path: str) -> Listing:
    """The file ``path``: only regular files of sensible size are opened."""
    try:
        seen = Path(path).stat()
        if not stat.S_ISREG(seen.st_mode):
            return Listing(path, (), "it is no regular file")
        if seen.st_size > _LARGEST:
            return Listing(path, (), f"it is larger than {_LARGEST // 10**6} MB")
        text = Path(path).read_bytes().decode("utf-8", "replace")
    except FileNotFoundError:
        return Listing(path, (), "it is not on this machine")
    except (OSError, ValueError) as error:
        return Listing(path, (), getattr(error, "strerror", None) or str(error))
    return Listing(path, tuple(text.expandtabs().split("\n")), "", seen.st_mtime)
