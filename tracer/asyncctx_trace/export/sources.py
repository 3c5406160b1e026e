"""Whatever can be read as a timeline: our recordings, and OTLP JSON Lines of anybody."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from asyncctx_trace.errors import NotARecording
from asyncctx_trace.events import Event
from asyncctx_trace.export.facts import facts_of
from asyncctx_trace.export.otlp_json import parse
from asyncctx_trace.export.span import Span
from asyncctx_trace.export.spans import NEW_TRACE_AFTER, SpanMaker
from asyncctx_trace.recording.format import Anchor
from asyncctx_trace.recording.reader import Recording

__all__ = ["STDIN", "Source", "is_otlp", "open_source"]

STDIN = "-"
_JSON = (b"{", b"[", b"\xef\xbb\xbf")


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
        maker = SpanMaker(self.anchor, new_trace_after)
        yield from maker.take(self.events)
        if self.running:
            self.in_flight = maker.in_flight
        else:
            yield from maker.finish()


def is_otlp(path: Path | str) -> bool:
    """Whether ``path``, or standard input for ``-``, is to be read as OTLP JSON Lines.

    Raises OSError.
    """
    if str(path) == STDIN:
        return True
    if Path(path).is_dir():
        return False
    with Path(path).open("rb") as file:
        return file.read(64).lstrip().startswith(_JSON)


def open_source(path: Path | str) -> Source:
    """Read a recording (``.actx``), or OTLP JSON Lines from a file or standard input (``-``).

    What it is shows in its first bytes, whatever its name. Raises RecordingError, NotOtlp, or
    OSError, each saying in one line what to do.
    """
    if not is_otlp(path):
        with Recording(path) as recording:
            events = recording.poll()
            return Source(events, recording.anchor, recording.alive)
    if str(path) == STDIN:
        data, name = sys.stdin.buffer.read(), "standard input"
    else:
        data, name = Path(path).read_bytes(), str(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotARecording(
            f"{name} is neither OTLP JSON Lines nor given as a file: a recording has to be a file"
        ) from None
    spans = list(parse(text, name))
    return Source(facts_of(spans), Anchor(0, 0), False, _spans=spans)
