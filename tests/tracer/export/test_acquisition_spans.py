"""One acquisition's spans are those that it has in the export of everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.export.acquisition_spans import spans_of_acquisition
from asyncctx_trace.model import conventions as names
from asyncctx_trace.recording.reading.reader import Recording
from asyncctx_trace.spans.from_events import SpanBuilder
from asyncctx_trace.spans.span import Span
from spans.recorded_programs import Program, contention, leak, recorded

_PHASES = (names.ENTER, names.BODY, names.EXIT, names.LIFECYCLE)


def independent(span: Span) -> tuple[object, ...]:
    """Return what of a span does not depend on other acquisitions."""
    excluded = (names.WAITERS_BEFORE, names.BLOCKERS, names.LET_IN_BY, names.LET_IN_BY_TASK)
    attributes = {key: value for key, value in span.attributes.items() if key not in excluded}
    parent = None if span.attributes[names.PHASE] == names.LIFECYCLE else span.parent
    return parent, span.name, span.start, attributes, span.error


@pytest.mark.parametrize("program", [contention, leak])
def test_an_acquisition_has_the_spans_of_an_export(tmp_path: Path, program: Program) -> None:
    """With waits, errors, cancellations, and acquisitions that never ended."""
    with Recording(recorded(tmp_path / "x.actx", program)) as recording:
        events = recording.poll()
        anchor = recording.anchor
    builder = SpanBuilder(anchor)
    exported = {
        span.id: independent(span)
        for span in (*builder.add(events), *builder.finish())
        if span.attributes[names.PHASE] in _PHASES
    }
    timeline = Timeline(events)
    spans = [
        span for row in range(len(timeline)) for span in spans_of_acquisition(timeline, row, anchor)
    ]

    assert len(spans) > 4
    assert {span.id: independent(span) for span in spans} == exported
