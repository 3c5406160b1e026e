"""Files that are written as a whole or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import TextIO

__all__ = ["BackgroundSave", "WriteCancelled", "size", "open_atomic", "write_chunks"]


class WriteCancelled(Exception):
    """Nobody wants what was being written any more."""


@contextmanager
def open_atomic(path: Path) -> Iterator[TextIO]:
    """A file to write to that takes its place at ``path`` when all is written.

    Whatever goes wrong inside, an interrupt too, leaves ``path`` as it was. It says what the
    recording says, and that is private: a new file is for its owner's eyes.
    """
    path = Path(os.path.realpath(path))
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        mode = stat.S_IFREG | 0o600
    if not stat.S_ISREG(mode):  # a pipe or a device takes what it is given
        with path.open("w", encoding="utf-8", newline="\n") as device:
            yield device
        return
    part = path.with_name(f".{path.name[:200]}.{os.getpid()}.part")
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(fd, "w", encoding="utf-8", newline="\n") as file:
            yield file
        part.chmod(stat.S_IMODE(mode))
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def write_chunks(
    pieces: Iterable[str], file: TextIO, tell: Callable[[int], bool] = lambda written: True
) -> None:
    """Write one piece after the other, telling how many characters there are by now.

    Raises Stopped as soon as ``tell`` gives False.
    """
    written = 0
    for piece in pieces:
        if not tell(written):
            raise WriteCancelled
        file.write(piece)
        written += len(piece)
    if not tell(written):
        raise WriteCancelled


class BackgroundSave:
    """A file that is being written aside; it says how far it has come, and can be stopped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._written = 0
        self._stopped = Event()
        self._over = Event()

    @property
    def words(self) -> str:
        """How far it has come."""
        done = f": {size(self._written)}" if self._written else "…"
        return f"writing {self.path.name}{done}"

    def write(self, pieces: Callable[[], Iterable[str]]) -> None:
        """All of it; raises OSError, or Stopped where nobody wants it any more."""
        try:
            ready = pieces()
            with open_atomic(self.path) as file:
                write_chunks(ready, file, self._tell)
        finally:
            self._over.set()

    def stop(self, wait: float = 0) -> None:
        """Leave it unwritten; ``wait`` is how many seconds its end may be waited for."""
        self._stopped.set()
        self._over.wait(wait)

    def _tell(self, written: int) -> bool:
        self._written = written
        return not self._stopped.is_set()


def size(characters: int) -> str:
    """How much that is: ``12 kB``, ``3.4 MB``."""
    if characters < 10**6:
        return f"{-(-characters // 1000)} kB"
    return f"{characters / 1e6:.1f} MB"
