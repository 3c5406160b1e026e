"""How often a process writes dumps, and how much of the disk they take."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from collections import Counter, deque
from pathlib import Path

from asyncctx_trace.model.durations import SECOND
from asyncctx_trace.model.unpatched import unpatched
from asyncctx_trace.recording.format import SUFFIX

__all__ = ["DumpBudget", "DumpFolder"]

_HOUR = 3600 * SECOND
_BINARY = getattr(os, "O_BINARY", 0)


class DumpBudget:
    """Limits the number of dumps in time; counts what was suppressed."""

    def __init__(self, interval: int, per_hour: int) -> None:
        """Allow one dump of a trigger in ``interval`` ns, and ``per_hour`` of all in an hour."""
        self._interval = interval
        self._per_hour = per_hour
        self.suppressed: Counter[str] = Counter()
        """Trigger -> how often it was suppressed."""
        self._latest: dict[str, int] = {}
        self._accepted: deque[int] = deque()

    def accept(self, trigger: str, at: int) -> bool:
        """Return whether ``trigger`` may write a dump at the monotonic time ``at`` in ns."""
        while self._accepted and at - self._accepted[0] >= _HOUR:
            self._accepted.popleft()
        latest = self._latest.get(trigger)
        too_soon = latest is not None and at - latest < self._interval
        if too_soon or len(self._accepted) >= self._per_hour:
            self.suppressed[trigger] += 1
            return False
        self._latest[trigger] = at
        self._accepted.append(at)
        return True


class DumpFolder:
    """The folder with the dumps of one recording, of bounded size."""

    def __init__(self, folder: Path, stem: str, limit: int) -> None:
        """``limit``: the largest total size of the dumps whose names begin with ``stem``."""
        self.folder = folder
        self._stem = stem
        self._limit = limit

    def new_path(self, trigger: str) -> Path:
        """Return a path that nothing has, named after the time and ``trigger``."""
        when = time.strftime("%Y%m%d-%H%M%S", time.localtime(unpatched.time_ns() / 1e9))
        short = re.sub(r"[^A-Za-z0-9]+", "-", trigger).strip("-")[:32] or "dump"
        name = f"{self._stem}-{when}-{short}-{secrets.token_hex(4)}{SUFFIX}"
        return self.folder / name

    def create(self, path: Path) -> tuple[int, Path]:
        """Create a file that becomes ``path`` later; only the owner can read it.

        Returns its descriptor and its name for now. Raises OSError.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _BINARY
        return unpatched.open(partial, flags, 0o600), partial

    def prune(self) -> None:
        """Remove the oldest dumps of this recording until the others fit; never the newest."""
        found = []
        ours = re.compile(rf"{re.escape(self._stem)}-\d{{8}}-\d{{6}}-.*{re.escape(SUFFIX)}")
        for path in self.folder.iterdir():
            if ours.fullmatch(path.name):
                with contextlib.suppress(OSError):
                    status = path.lstat()
                    found.append((status.st_mtime_ns, status.st_size, path))
        found.sort()
        total = sum(size for _, size, _ in found)
        for _, size, path in found[:-1]:
            if total <= self._limit:
                return
            with contextlib.suppress(OSError):
                path.unlink()
                total -= size
