"""``asyncctx-trace recordings``: list the recordings in the state folder, or delete old ones."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from pathlib import Path

import click

from asyncctx_trace.errors import RecordingError
from asyncctx_trace.recording.reading.reader import Recording
from asyncctx_trace.recording.writing.retention import Retention
from asyncctx_trace_tui.storage import user_paths

__all__ = ["command"]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A recording in the state folder."""

    path: Path
    written: float
    """Seconds since 1970."""
    size: int

    def __str__(self) -> str:
        when = datetime.fromtimestamp(self.written)
        return f"{when:%Y-%m-%d %H:%M}  {self.size / 1e6:9.1f} MB  {self.path.name}"


@click.command("recordings")
@click.option(
    "--keep",
    metavar="SIZE|TIME",
    help="Delete recordings older than TIME (7d, 12h), or the oldest beyond a total SIZE (2GB).",
)
def command(keep: str | None) -> None:
    """List the recordings in your state folder, the newest first.

    `asyncctx-trace run` writes recordings there unless -o FILE is given, and never deletes one.
    --keep deletes the oldest, except those to which a program still writes.
    """
    folder = user_paths.recordings()
    found = _entries(folder)
    if keep is not None:
        found = _prune(found, Retention.parse(keep))
    for each in found:
        click.echo(each)
    total = sum(each.size for each in found) / 1e6
    click.echo(f"{len(found)} recordings in {folder}, {total:.1f} MB")


def _entries(folder: Path) -> list[_Entry]:
    seen = [(path, path.stat()) for path in folder.glob("*.actx")]
    found = [_Entry(path, stat.st_mtime, stat.st_size) for path, stat in seen]
    return sorted(found, key=lambda each: each.written, reverse=True)


def _prune(found: list[_Entry], bound: Retention) -> list[_Entry]:
    """Delete recordings beyond ``bound``, and return those that are left."""
    now = time.time()
    left: list[_Entry] = []
    for each, total in zip(found, accumulate(one.size for one in found), strict=True):
        too_old = bound.ns is not None and (now - each.written) * 1e9 > bound.ns
        too_much = bound.bytes is not None and total > bound.bytes
        if (too_old or too_much) and not _is_in_use(each.path):
            each.path.unlink(missing_ok=True)
            click.echo(f"deleted {each.path.name}")
        else:
            left.append(each)
    return left


def _is_in_use(path: Path) -> bool:
    try:
        with Recording(path) as recording:
            recording.poll(segments=0)
            return recording.alive
    except RecordingError:  # unreadable, so not in use either
        return False
