"""Assigns segments of a recording to processes, allocated on disk before they are written."""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from asyncctx_trace.errors import RecordingExists
from asyncctx_trace.model.unpatched import unpatched
from asyncctx_trace.recording.format import (
    HEADER_SIZE,
    SEGMENT,
    SEGMENT_HEADER,
    Anchor,
    SegmentKind,
    pack_header,
)
from asyncctx_trace.recording.writing.page_guard import guard, truncations

__all__ = ["PATIENCE", "Segment", "Segments", "SegmentsBusy", "create"]

_BINARY = getattr(os, "O_BINARY", 0)
PATIENCE = 30_000_000
"""How long to wait for other processes that append, in ns: the event loop stands still meanwhile.
To append takes about 100 µs."""
_PAUSE = 0.0005
"""Seconds between two attempts to get the lock."""


def create(path: Path, *, overwrite: bool = False) -> None:
    """Create an empty recording that only its owner can read.

    Raises RecordingExists unless ``overwrite``, and OSError if the file cannot be created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if overwrite:
        # A new file: whoever reads the old one can go on.
        path.unlink(missing_ok=True)
    try:
        fd = unpatched.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _BINARY, 0o600)
    except FileExistsError:
        raise RecordingExists(f"{path} exists: choose another name, or remove it first") from None
    try:
        unpatched.write(fd, pack_header(Anchor(unpatched.time_ns(), unpatched.monotonic_ns())))
    finally:
        unpatched.close(fd)


class SegmentsBusy(OSError):
    """Another process holds the lock of the file for too long; it may have been stopped."""


class Segment(NamedTuple):
    """A mapped segment, and its offset in the file."""

    page: mmap.mmap
    offset: int


class Segments:
    """The segments of one process in a recording."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = unpatched.open(path, os.O_RDWR | _BINARY)
        self._file = _identity(self._fd)
        self._started = unpatched.monotonic_ns()
        self._latest: dict[SegmentKind, mmap.mmap] = {}
        self._known_size = 0
        """How large the file was at least: it must not become smaller."""
        self._truncations = truncations()

    def append(self, kind: SegmentKind, patience: int = PATIENCE) -> Segment:
        """Append a segment with a header and zeros to the file, and map it.

        Its blocks are allocated first: to write to a mapped hole on a full disk would kill the
        program. Raises OSError if there is no space, SegmentsBusy if another process appends for
        longer than ``patience`` (ns).
        """
        self._check_file()
        with self.locked(patience):
            # What a failed allocation left after the last complete segment is overwritten.
            size = unpatched.fstat(self._fd).st_size - HEADER_SIZE
            offset = HEADER_SIZE + size // SEGMENT * SEGMENT
            _allocate(self._fd, offset)
            page = _map(self._fd, offset)
            self._known_size = max(self._known_size, offset + SEGMENT)
            self._write_header(page, kind)
        return Segment(page, offset)

    def content(self, offset: int, start: int = 0, size: int = SEGMENT) -> bytes:
        """Return the bytes of a segment of this process, at most ``size`` from ``start`` on."""
        self._check_file()
        return _map(self._fd, offset)[start : start + size]

    def retire(self, offset: int) -> None:
        """Make a segment of this process invalid, so that it can be reused."""
        self._check_file()
        _map(self._fd, offset)[SEGMENT_HEADER.size - 1] = 0

    def reuse(self, offset: int, kind: SegmentKind) -> Segment:
        """Empty a retired segment, and give it a new header."""
        self._check_file()
        page = _map(self._fd, offset)
        page[SEGMENT_HEADER.size :] = bytes(SEGMENT - SEGMENT_HEADER.size)
        self._write_header(page, kind)
        return Segment(page, offset)

    def claim(self, offset: int) -> None:
        """Make a segment of a process that has ended one of this process, retired.

        The lock must be held, or another process might claim it as well.
        """
        self._check_file()
        page = _map(self._fd, offset)
        page[SEGMENT_HEADER.size - 1] = 0
        self._put_header(page, 0)

    @property
    def size(self) -> int:
        """The size of the whole file in bytes."""
        return unpatched.fstat(self._fd).st_size

    def of_others(self) -> Iterator[tuple[int, bytes]]:
        """Yield offset and header of each segment of other processes."""
        own = unpatched.getpid(), self._started
        if not hasattr(unpatched, "pread"):  # Windows
            return
        for offset in range(HEADER_SIZE, self.size - SEGMENT + 1, SEGMENT):
            header = unpatched.pread(self._fd, SEGMENT_HEADER.size, offset)
            started, _, pid = SEGMENT_HEADER.unpack(header)[:3]
            if (pid, started) != own:
                yield offset, header

    def _write_header(self, page: mmap.mmap, kind: SegmentKind) -> None:
        self._put_header(page, kind)
        self._latest[kind] = page

    def _put_header(self, page: mmap.mmap, kind: int) -> None:
        SEGMENT_HEADER.pack_into(
            page,
            0,
            self._started,
            unpatched.monotonic_ns(),
            unpatched.getpid(),
            unpatched.getppid(),
            0,
            0,
            0,
            0,
            0,
            kind,
        )

    def close(self) -> None:
        """Close the file descriptor; mapped segments stay usable."""
        if self._fd >= 0 and _identity(self._fd) == self._file:
            unpatched.close(self._fd)
        self._fd = -1  # the number may soon stand for a file of the program

    def _check_file(self) -> None:
        """Reopen the file if the program has closed the descriptor, as a daemon closes all."""
        if self._fd < 0:
            raise OSError("the recording is closed")
        if _identity(self._fd) != self._file:
            _never_closed.extend(self._latest.values())
            self._fd = unpatched.open(self._path, os.O_RDWR | _BINARY)
            if _identity(self._fd) != self._file:
                unpatched.close(self._fd)
                self._fd = -1
                raise OSError(f"{self._path} was replaced by another file")
        if self.truncated or unpatched.fstat(self._fd).st_size < self._known_size:
            raise OSError(f"{self._path} was truncated")

    @property
    def truncated(self) -> bool:
        """Whether a store found that the file was truncated; what was stored is lost."""
        return truncations() != self._truncations

    @contextlib.contextmanager
    def locked(self, patience: int = PATIENCE) -> Iterator[None]:
        """Keep other processes from appending; raises SegmentsBusy after a bounded time."""
        if not hasattr(unpatched, "flock"):
            import msvcrt  # what mypy ignores below exists on Windows only

            unpatched.lseek(self._fd, 1 << 62, os.SEEK_SET)
            msvcrt.locking(self._fd, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined,unused-ignore]
            try:
                yield
            finally:
                unpatched.lseek(self._fd, 1 << 62, os.SEEK_SET)
                msvcrt.locking(self._fd, msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            deadline = unpatched.monotonic_ns() + patience
            while not self._lock_at_once():
                if unpatched.monotonic_ns() >= deadline:
                    raise SegmentsBusy(f"another process holds the lock of {self._path}")
                unpatched.sleep(_PAUSE)
            try:
                yield
            finally:
                unpatched.flock(self._fd, unpatched.LOCK_UN)

    def _lock_at_once(self) -> bool:
        try:
            unpatched.flock(self._fd, unpatched.LOCK_EX | unpatched.LOCK_NB)
        except BlockingIOError:
            return False
        return True


_never_closed: list[mmap.mmap] = []
"""Pages whose file descriptor the program has closed. To free them would close the number again,
which may stand for another file by then."""


def _map(fd: int, offset: int) -> mmap.mmap:
    if sys.version_info >= (3, 13) and sys.platform != "win32":
        page = unpatched.mmap(fd, SEGMENT, offset=offset, trackfd=False)
    else:
        page = unpatched.mmap(fd, SEGMENT, offset=offset)
    guard(page)
    return page


def _identity(fd: int) -> tuple[int, int] | None:
    """Return device and inode of an open file, or ``None`` for a closed descriptor."""
    try:
        status = unpatched.fstat(fd)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _allocate(fd: int, offset: int) -> None:
    if hasattr(unpatched, "posix_fallocate"):
        unpatched.posix_fallocate(fd, offset, SEGMENT)
    # Writing zeros would be enough where there is space. It also brings the pages into memory: page
    # faults in the program's task would take three times as long.
    unpatched.lseek(fd, offset, os.SEEK_SET)
    left = SEGMENT
    while left:
        left -= unpatched.write(fd, bytes(left))
