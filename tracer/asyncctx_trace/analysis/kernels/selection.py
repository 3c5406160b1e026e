"""The records between two moments, picked with numpy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asyncctx_trace.analysis.kernels.columns import Integers
from asyncctx_trace.analysis.timeline.numpy_ingest import RECORDS
from asyncctx_trace.analysis.timeline.selection import known_at
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.recording.batch import Batch, Writer
from asyncctx_trace.recording.format import RECORD, RecordKind

__all__ = ["kept", "moments", "over"]


def moments(batch: Batch) -> list[int]:
    """When something happened: the first and the last time of the facts, those of the notes."""
    times = [note.at for note in batch.notes]
    for _, records in _records(batch):
        times += int(records["at"].min()), int(records["at"].max())
    return times


def over(batches: Iterable[Batch], since: int, until: int | None) -> Integers:
    """The acquisitions that had ended before ``since``, as far as is known at ``until``."""
    found = [np.zeros(0, np.int64)]
    for batch in batches:
        for writer, records in _records(batch):
            kind, at = records["kind"], records["at"]
            failed = (kind == RecordKind.ENTER_ENDED) & (records["outcome"] != Outcome.OK)
            ended = ((kind == RecordKind.EXIT_ENDED) | failed) & (at < since)
            if until is not None:
                ended &= at <= until
            found.append(_acquisitions(writer, records[ended]))
    return np.concatenate(found)


def kept(batch: Batch, until: int | None, over: Integers) -> Batch:
    """What is known at ``until``, but for acquisitions that are ``over``."""
    picked: list[tuple[Writer, bytes]] = []
    for writer, records in _records(batch):
        some = np.ones(len(records), np.bool_)
        if until is not None:
            some = records["at"] <= until
        if len(over):
            some &= ~np.isin(_acquisitions(writer, records), over) | _of_no_acquisition(records)
        whole = records.view(f"V{RECORD}")
        picked.append((writer, whole[some].tobytes()))
    return Batch(
        [each for each in batch.definitions if known_at(each, until)],
        [each for each in batch.notes if known_at(each, until)],
        [(writer, data) for writer, data in picked if data],
    )


def _records(batch: Batch) -> Iterator[tuple[Writer, NDArray[Any]]]:
    for writer, data in batch.records:
        yield writer, np.frombuffer(data, RECORDS)


def _acquisitions(writer: Writer, records: NDArray[Any]) -> Integers:
    ids: Integers = records["acquisition"].astype(np.int64) + writer.base
    return ids


def _of_no_acquisition(records: NDArray[Any]) -> NDArray[np.bool_]:
    """Records whose field for the acquisition is unused."""
    found: NDArray[np.bool_] = np.isin(
        records["kind"], (RecordKind.TASK_ENDED, RecordKind.RELEASE_UNMATCHED)
    )
    return found
