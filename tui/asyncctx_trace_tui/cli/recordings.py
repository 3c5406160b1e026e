"""``asyncctx-trace recordings``: lists the recordings that were not given a name."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from pathlib import Path

import click

from asyncctx_trace.errors import RecordingError
from asyncctx_trace.recording.reader import Recording
from asyncctx_trace.recording.retention import Keep
from asyncctx_trace_tui.storage import paths

__all__ = ["command"]


@dataclass(frozen=True, slots=True)
class _Kept:
    """A recording as it lies in the folder."""

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
    help="Delete what is older (7d, 12h) or exceeds a total size (2GB).",
)
def command(keep: str | None) -> None:
    """List the recordings in your state folder, the newest first.

    `asyncctx-trace run` writes them there unless -o FILE names another file, and never deletes
    one. --keep deletes the oldest ones, but none to which a program still writes.
    """
    folder = paths.recordings()
    found = _in(folder)
    if keep is not None:
        found = _prune(found, Keep.parse(keep))
    for each in found:
        click.echo(each)
    total = sum(each.size for each in found) / 1e6
    click.echo(f"{len(found)} recordings in {folder}, {total:.1f} MB")


def _in(folder: Path) -> list[_Kept]:
    seen = [(path, path.stat()) for path in folder.glob("*.actx")]
    found = [_Kept(path, stat.st_mtime, stat.st_size) for path, stat in seen]
    return sorted(found, key=lambda each: each.written, reverse=True)


def _prune(found: list[_Kept], bound: Keep) -> list[_Kept]:
    """What is left of ``found``."""
    now = time.time()
    left: list[_Kept] = []
    for each, taken in zip(found, accumulate(one.size for one in found), strict=True):
        old = bound.ns is not None and (now - each.written) * 1e9 > bound.ns
        much = bound.bytes is not None and taken > bound.bytes
        if (old or much) and not _is_written_to(each.path):
            each.path.unlink(missing_ok=True)
            click.echo(f"deleted {each.path.name}")
        else:
            left.append(each)
    return left


def _is_written_to(path: Path) -> bool:
    try:
        with Recording(path) as recording:
            recording.poll(segments=0)
            return recording.alive
    except RecordingError:  # nobody can make anything of it any more
        return False
