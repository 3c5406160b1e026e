"""What can be opened as events: recordings, and OTLP JSON Lines of any tool."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from asyncctx_trace.errors import NotARecording
from asyncctx_trace.model.events import Event
from asyncctx_trace.recording.format import Anchor
from asyncctx_trace.recording.reading.batch import Batch
from asyncctx_trace.recording.reading.reader import Recording
from asyncctx_trace.recording.regular_file import open_regular
from asyncctx_trace.spans.from_events import SpanBuilder
from asyncctx_trace.spans.otlp_json_reader import parse
from asyncctx_trace.spans.span import Span
from asyncctx_trace.spans.to_events import events_of
from asyncctx_trace.spans.trace_tree import TraceOptions

__all__ = ["STDIN", "FollowedSource", "Source", "follow", "is_otlp", "open_source"]

STDIN = "-"
_JSON = (b"{", b"[", b"\xef\xbb\xbf")


class FollowedSource(Protocol):
    """A source that may grow, such as a recording that is being written."""

    @property
    def anchor(self) -> Anchor:
        """Converts the times of its events to wall-clock times."""

    @property
    def alive(self) -> bool:
        """Whether a process may still write to it."""

    @property
    def behind(self) -> bool:
        """Whether the last :meth:`poll` did not return everything, because it was limited."""

    def poll(self, segments: int | None = None) -> Batch | list[Event]:
        """Return the events since the last call: definitions first, then in order of time.

        At most ``segments`` segments of a recording are read.
        """

    def close(self) -> None:
        """Close the file."""


@dataclass(slots=True)
class Source:
    """What was read from a file."""

    events: Iterable[Event]
    """The events, for example for ``Timeline(source.events)``."""
    anchor: Anchor
    """Converts the times of the events to wall-clock times."""
    running: bool
    """Whether what has not ended may still end: a process writes to it, or it is a dump."""
    in_flight: int = 0
    """How many acquisitions :meth:`spans` has left out because they may still end."""
    _spans: list[Span] | None = None

    def spans(self, options: TraceOptions | None = None) -> Iterator[Span]:
        """Yield the spans of the file, or make them of the events of a recording.

        Of a recording that is still written to, only what has ended. ``options`` apply to
        recordings.
        """
        if self._spans is not None:
            yield from self._spans
            return
        builder = SpanBuilder(self.anchor, options)
        yield from builder.add(self.events)
        if self.running:
            self.in_flight = builder.in_flight
        else:
            yield from builder.finish()


def is_otlp(path: Path | str) -> bool:
    """Return whether ``path``, or standard input for ``-``, contains OTLP JSON Lines.

    Raises:
        NotARecording: It is not a regular file.
        OSError: It cannot be read.
    """
    if str(path) == STDIN:
        return True
    with os.fdopen(open_regular(path), "rb") as file:
        return file.read(64).lstrip().startswith(_JSON)


def open_source(path: Path | str) -> Source:
    """Read a recording (``.actx``), or OTLP JSON Lines from a file or standard input (``-``).

    The format is recognized by the first bytes, whatever the name of the file.

    Raises:
        RecordingError: It is a damaged recording, a newer one, or neither format.
        NotOtlp: It is JSON, but not OTLP.
        OSError: It cannot be read.
    """
    if is_otlp(path):
        file = _OtlpFile(path)
        return Source(file.poll(), file.anchor, False, _spans=file.spans)
    with Recording(path) as recording:
        return Source(recording.poll(), recording.anchor, recording.alive or recording.is_dump)


def follow(path: Path | str) -> FollowedSource:
    """Open what :func:`open_source` reads, to poll it for new events; raises the same."""
    return _OtlpFile(path) if is_otlp(path) else Recording(path)


class _OtlpFile:
    """OTLP JSON Lines, which are read once."""

    anchor = Anchor(0, 0)
    alive = False
    behind = False

    def __init__(self, path: Path | str) -> None:
        if str(path) == STDIN:
            data, name = sys.stdin.buffer.read(), "standard input"
        else:
            name = str(path)
            with os.fdopen(open_regular(path), "rb") as file:
                data = file.read()
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise NotARecording(
                f"{name} is not OTLP JSON Lines: pass a recording as a file"
            ) from None
        self.spans = list(parse(text, name))
        self._events = events_of(self.spans)

    def poll(self, segments: int | None = None) -> list[Event]:  # noqa: ARG002 - it has none
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        """Do nothing: the file is closed already."""
