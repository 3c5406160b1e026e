"""Whatever can be read as a timeline: our recordings, and OTLP JSON Lines of anybody."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from asyncctx_trace.errors import NotARecording
from asyncctx_trace.model.constants import NEW_TRACE_AFTER
from asyncctx_trace.model.events import Event
from asyncctx_trace.recording.batch import Batch
from asyncctx_trace.recording.format import Anchor
from asyncctx_trace.recording.reader import Recording
from asyncctx_trace.recording.regular_file import open_regular
from asyncctx_trace.spans.from_events import SpanBuilder
from asyncctx_trace.spans.otlp_json_reader import parse
from asyncctx_trace.spans.span import Span
from asyncctx_trace.spans.to_events import events_of

__all__ = ["STDIN", "FollowedSource", "Source", "follow", "is_otlp", "open_source"]

STDIN = "-"
_JSON = (b"{", b"[", b"\xef\xbb\xbf")


class FollowedSource(Protocol):
    """Something that may still grow, as :class:`~asyncctx_trace.recording.reader.Recording`."""

    @property
    def anchor(self) -> Anchor:
        """Turns its times into the time of day."""

    @property
    def alive(self) -> bool:
        """Whether more may come."""

    @property
    def behind(self) -> bool:
        """Whether the last look left something for the next one, being bounded."""

    def poll(self, segments: int | None = None) -> Batch | list[Event]:
        """The events since the last call, in order of time; definitions first.

        ``segments`` bounds how much is read of what is large.
        """

    def close(self) -> None:
        """Let go of it."""


@dataclass(slots=True)
class Source:
    """Something that was read: its events, and what it takes to make spans of it."""

    events: Iterable[Event]
    """As :func:`asyncctx_trace.recording.reader.read` gives them: ``Timeline(source.events)``."""
    anchor: Anchor
    """Turns the events' times into the time of day."""
    running: bool
    """Whether a process still writes to it."""
    in_flight: int = 0
    """Acquisitions that :meth:`spans` left out because they may still end."""
    _spans: list[Span] | None = None

    def spans(self, new_trace_after: float = NEW_TRACE_AFTER) -> Iterator[Span]:
        """As spans: those that were read, or those that the recording's events make.

        Of a recording that still grows only what has ended.
        """
        if self._spans is not None:
            yield from self._spans
            return
        maker = SpanBuilder(self.anchor, new_trace_after)
        yield from maker.take(self.events)
        if self.running:
            self.in_flight = maker.in_flight
        else:
            yield from maker.finish()


def is_otlp(path: Path | str) -> bool:
    """Whether ``path``, or standard input for ``-``, is to be read as OTLP JSON Lines.

    Raises NotARecording for what is not a regular file, or OSError.
    """
    if str(path) == STDIN:
        return True
    with os.fdopen(open_regular(path), "rb") as file:
        return file.read(64).lstrip().startswith(_JSON)


def open_source(path: Path | str) -> Source:
    """Read a recording (``.actx``), or OTLP JSON Lines from a file or standard input (``-``).

    What it is shows in its first bytes, whatever its name. Raises RecordingError, NotOtlp, or
    OSError, each saying in one line what to do.
    """
    if is_otlp(path):
        told = _Told(path)
        return Source(told.poll(), told.anchor, False, _spans=told.spans)
    with Recording(path) as recording:
        return Source(recording.poll(), recording.anchor, recording.alive)


def follow(path: Path | str) -> FollowedSource:
    """What :func:`open_source` reads, to be looked at again and again; raises the same."""
    return _Told(path) if is_otlp(path) else Recording(path)


class _Told:
    """OTLP JSON Lines, which say everything at the first look."""

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

    def poll(self, segments: int | None = None) -> list[Event]:
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        """There is nothing to let go of."""
