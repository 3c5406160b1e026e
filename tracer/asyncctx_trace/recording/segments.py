"""Hands out pieces of a recording, each to one process, on disk before it is written to."""

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

__all__ = ["Segment", "Segments", "create"]

_BINARY = getattr(os, "O_BINARY", 0)


def create(path: Path, *, overwrite: bool = False) -> None:
    """Make an empty recording that only its owner can read.

    Raises RecordingExists unless ``overwrite``, and OSError where the folder takes no file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if overwrite:
        # A new file, so that somebody who still reads the old one is left with it.
        path.unlink(missing_ok=True)
    try:
        fd = unpatched.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _BINARY, 0o600)
    except FileExistsError:
        raise RecordingExists(f"{path} exists: choose another name, or remove it first") from None
    try:
        unpatched.write(fd, pack_header(Anchor(unpatched.time_ns(), unpatched.monotonic_ns())))
    finally:
        unpatched.close(fd)


class Segment(NamedTuple):
    """A mapped piece of the file, and where it lies."""

    page: mmap.mmap
    offset: int


class Segments:
    """The end of one recording, as seen by one process that adds to it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = unpatched.open(path, os.O_RDWR | _BINARY)
        self._file = _identity(self._fd)
        self._started = unpatched.monotonic_ns()
        self._latest: dict[SegmentKind, mmap.mmap] = {}

    def new(self, kind: SegmentKind) -> Segment:
        """Append a segment of zeros behind its header and map it.

        The blocks are allocated first: writing into a mapped hole of a full disk would kill
        the program. Raises OSError where there is no room.
        """
        self._still_ours()
        with self._alone():
            # What a failed allocation may have left behind a whole segment is overwritten.
            size = unpatched.fstat(self._fd).st_size - HEADER_SIZE
            offset = HEADER_SIZE + size // SEGMENT * SEGMENT
            _allocate(self._fd, offset)
            page = _map(self._fd, offset)
            self._head(page, kind)
        return Segment(page, offset)

    def again(self, offset: int, kind: SegmentKind) -> tuple[Segment, bytes]:
        """Empty a segment that this process has filled, for new use; and what was in it."""
        self._still_ours()
        page = _map(self._fd, offset)
        old = page[:]
        # Invalid while it is emptied: whoever reads it now sees the header change.
        page[SEGMENT_HEADER.size - 1] = 0
        page[SEGMENT_HEADER.size :] = bytes(SEGMENT - SEGMENT_HEADER.size)
        self._head(page, kind)
        return Segment(page, offset), old

    def _head(self, page: mmap.mmap, kind: SegmentKind) -> None:
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
            kind,
        )
        self._latest[kind] = page

    def close(self) -> None:
        """Give the file descriptor back; mapped segments stay usable."""
        if self._fd >= 0 and _identity(self._fd) == self._file:
            unpatched.close(self._fd)
        self._fd = -1  # or a later file of the program's could be taken for it

    def _still_ours(self) -> None:
        """A program that becomes a daemon closes every descriptor, and then reuses numbers."""
        if self._fd < 0:
            raise OSError("the recording is closed")
        if _identity(self._fd) != self._file:
            _never_closed.extend(self._latest.values())
            self._fd = unpatched.open(self._path, os.O_RDWR | _BINARY)
            if _identity(self._fd) != self._file:
                unpatched.close(self._fd)
                self._fd = -1
                raise OSError(f"{self._path} is not the file it was")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """While inside, no other process appends."""
        if not hasattr(unpatched, "flock"):
            import msvcrt

            unpatched.lseek(self._fd, 1 << 62, os.SEEK_SET)
            msvcrt.locking(self._fd, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined,unused-ignore]
            try:
                yield
            finally:
                unpatched.lseek(self._fd, 1 << 62, os.SEEK_SET)
                msvcrt.locking(self._fd, msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            unpatched.flock(self._fd, unpatched.LOCK_EX)
            try:
                yield
            finally:
                unpatched.flock(self._fd, unpatched.LOCK_UN)


_never_closed: list[mmap.mmap] = []
"""Pages whose descriptor somebody else has closed: to free them would close it once more, when
its number may stand for a file of the program's."""


def _map(fd: int, offset: int) -> mmap.mmap:
    if sys.version_info >= (3, 13) and sys.platform != "win32":
        return unpatched.mmap(fd, SEGMENT, offset=offset, trackfd=False)
    return unpatched.mmap(fd, SEGMENT, offset=offset)


def _identity(fd: int) -> tuple[int, int] | None:
    """Which file an open descriptor stands for, ``None`` for a closed one."""
    try:
        status = unpatched.fstat(fd)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _allocate(fd: int, offset: int) -> None:
    if hasattr(unpatched, "posix_fallocate"):
        unpatched.posix_fallocate(fd, offset, SEGMENT)
    # Writing zeros alone would do, where there is room. It also brings the pages into memory: to
    # have the program's task fault them in, one by one, takes three times as long.
    unpatched.lseek(fd, offset, os.SEEK_SET)
    left = SEGMENT
    while left:
        left -= unpatched.write(fd, bytes(left))
