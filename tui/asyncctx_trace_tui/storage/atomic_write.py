"""Write files atomically: completely or not at all."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from tempfile import TemporaryFile
from threading import Event
from typing import BinaryIO, TextIO

__all__ = ["BackgroundSave", "WriteCancelled", "format_size", "open_atomic", "write_chunks"]


_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)


class WriteCancelled(Exception):
    """The write was cancelled."""


@contextmanager
def open_atomic(path: Path) -> Iterator[TextIO]:
    """Open a temporary file for writing that replaces ``path`` when the block ends.

    On any exception, KeyboardInterrupt included, ``path`` stays as it was. A new file is readable
    by its owner only, because it may contain private data of the traced program. Pipes and devices
    are written directly.
    """
    path = Path(os.path.realpath(path))
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        mode = stat.S_IFREG | 0o600
    if not stat.S_ISREG(mode):  # a pipe or a device
        with path.open("w", encoding="utf-8", newline="\n") as device:
            yield device
        return
    # In a folder that others can write to, a name that they can guess may be a link of theirs.
    part = path.with_name(f".{path.name[:200]}.{secrets.token_hex(8)}.part")
    fd = os.open(part, _NEW, 0o600)
    try:
        with os.fdopen(fd, "w", encoding="utf-8", newline="\n") as file:
            yield file
            if hasattr(os, "fchmod"):
                os.fchmod(fd, stat.S_IMODE(mode))
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def write_chunks(
    chunks: Iterable[str], file: TextIO, progress: Callable[[int], bool] = lambda _written: True
) -> None:
    """Write ``chunks``, calling ``progress`` with the number of characters written before each.

    Raises WriteCancelled as soon as ``progress`` returns False.
    """
    written = 0
    for chunk in chunks:
        if not progress(written):
            raise WriteCancelled
        file.write(chunk)
        written += len(chunk)
    if not progress(written):
        raise WriteCancelled


class BackgroundSave:
    """A file that is written on a background thread, with progress; it can be cancelled."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._written = 0
        self._cancelled = Event()
        self._finished = Event()

    @property
    def progress(self) -> str:
        """The progress, such as ``writing x.html: 3.4 MB``."""
        done = f": {format_size(self._written)}" if self._written else "…"
        return f"writing {self.path.name}{done}"

    def write(self, chunks: Callable[[], Iterable[str]]) -> None:
        """Write the file; raises OSError, or WriteCancelled after :meth:`cancel`."""
        try:
            ready = chunks()
            with open_atomic(self.path) as file:
                write_chunks(ready, file, self._report_progress)
        finally:
            self._finished.set()

    def write_anonymously(self, chunks: Callable[[], Iterable[str]]) -> BinaryIO:
        """Write to a file without a name, and return it, to be read from its beginning.

        Raises as :meth:`write` does.
        """
        try:
            file = TemporaryFile()  # noqa: SIM115 - the caller reads and closes it
            text = TextIOWrapper(file, "utf-8", newline="\n")
            write_chunks(chunks(), text, self._report_progress)
            text.flush()
            text.detach()
            file.seek(0)
            return file
        finally:
            self._finished.set()

    def cancel(self, wait: float = 0) -> None:
        """Cancel the write, and wait at most ``wait`` seconds until it has ended."""
        self._cancelled.set()
        self._finished.wait(wait)

    def _report_progress(self, written: int) -> bool:
        self._written = written
        return not self._cancelled.is_set()


def format_size(characters: int) -> str:
    """Return a size as ``12 kB`` or ``3.4 MB``."""
    if characters < 10**6:
        return f"{-(-characters // 1000)} kB"
    return f"{characters / 1e6:.1f} MB"
