"""Select the events between two times, batch by batch with numpy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asyncctx_trace.analysis.timeline.event_selection import happened_by
from asyncctx_trace.analysis.timeline.record_arrays import RECORDS, Integers
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.recording.format import RECORD, RecordKind
from asyncctx_trace.recording.reading.batch import Batch
from asyncctx_trace.recording.reading.process_state import ProcessState

__all__ = ["ended_before", "event_times", "select"]


def event_times(batch: Batch) -> list[int]:
    """Return the first and last time of the records of each writer, and those of the notes."""
    times = [note.at for note in batch.notes]
    for _, records in _records(batch):
        times += int(records["at"].min()), int(records["at"].max())
    return times


def ended_before(batches: Iterable[Batch], since: int, until: int | None) -> Integers:
    """Return the acquisitions and waits that ended before ``since``, as known at ``until``."""
    result = [np.zeros(0, np.int64)]
    for batch in batches:
        for writer, records in _records(batch):
            kind, at = records["kind"], records["at"]
            failed = (kind == RecordKind.ENTER_ENDED) & (records["outcome"] != Outcome.OK)
            ended = np.isin(kind, (RecordKind.EXIT_ENDED, RecordKind.WAIT_ENDED)) | failed
            ended &= at < since
            if until is not None:
                ended &= at <= until
            result.append(_acquisitions(writer, records[ended]))
    return np.concatenate(result)


def select(batch: Batch, until: int | None, ended: Integers) -> Batch:
    """Return the events up to ``until`` without those of the acquisitions ``ended``."""
    picked: list[tuple[ProcessState, bytes]] = []
    for writer, records in _records(batch):
        some = np.ones(len(records), np.bool_)
        if until is not None:
            some = records["at"] <= until
        if len(ended):
            some &= ~np.isin(_acquisitions(writer, records), ended) | _without_acquisition(records)
        whole = records.view(f"V{RECORD}")
        picked.append((writer, whole[some].tobytes()))
    return Batch(
        [event for event in batch.definitions if happened_by(event, until)],
        [event for event in batch.notes if happened_by(event, until)],
        [(writer, data) for writer, data in picked if data],
    )


def _records(batch: Batch) -> Iterator[tuple[ProcessState, NDArray[Any]]]:
    for writer, data in batch.records:
        yield writer, np.frombuffer(data, RECORDS)


def _acquisitions(writer: ProcessState, records: NDArray[Any]) -> Integers:
    ids: Integers = records["acquisition"].astype(np.int64) + writer.base
    return ids


def _without_acquisition(records: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which records do not use their field for the acquisition."""
    result: NDArray[np.bool_] = np.isin(
        records["kind"], (RecordKind.TASK_ENDED, RecordKind.RELEASE_UNMATCHED)
    )
    return result
