"""One acquisition's spans are those that it has in the export of everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.export.acquisition_spans import spans_of
from asyncctx_trace.model import conventions as names
from asyncctx_trace.recording.reader import Recording
from asyncctx_trace.spans.from_events import SpanBuilder
from asyncctx_trace.spans.span import Span
from spans.recorded_programs import Program, contention, leak, recorded


def told(span: Span) -> tuple[object, ...]:
    """What does not depend on what others did."""
    crowd = (names.WAITERS_BEFORE, names.BLOCKERS)
    attributes = {name: v for name, v in span.attributes.items() if name not in crowd}
    return span.id, span.parent, span.name, span.start, attributes, span.error


@pytest.mark.parametrize("program", [contention, leak])
def test_each_acquisition_has_its_spans(tmp_path: Path, program: Program) -> None:
    """Of waits, errors, cancellations and what never ended."""
    with Recording(recorded(tmp_path / "x.actx", program)) as recording:
        events = recording.poll()
        anchor = recording.anchor
    maker = SpanBuilder(anchor)
    everything = [*maker.take(events), *maker.finish()]
    timeline = Timeline(events)
    own = [span for row in range(len(timeline)) for span in spans_of(timeline, row, anchor)]
    of_acquisitions = [s for s in everything if s.name not in (names.TASK, names.PROCESS)]

    assert len(own) > 4
    assert {told(s)[0]: told(s) for s in own if s.name != names.LIFECYCLE} == {
        told(s)[0]: told(s) for s in of_acquisitions if told(s)[0] in {each.id for each in own}
    }
    assert {s.id for s in own} == {
        s.id
        for s in of_acquisitions
        if s.attributes.get(names.PHASE) in (names.ENTER, names.BODY, names.EXIT, names.LIFECYCLE)
    }
