"""How much room an acquisition takes on disk."""

from __future__ import annotations

import tempfile
from pathlib import Path

from asyncctx_trace.export.formats import otlp_json
from asyncctx_trace.sources import open_source
from benchmarks.measure import Row
from benchmarks.recordings import synthetic

__all__ = ["run"]

_ACQUISITIONS = 20_000


def run(rounds: int) -> list[Row]:
    """Against OTLP JSON Lines of the same spans; the same at every round."""
    del rounds
    with tempfile.TemporaryDirectory() as folder:
        path = synthetic(Path(folder) / "a.actx", _ACQUISITIONS)
        ours = path.stat().st_size / _ACQUISITIONS
        lines = otlp_json.write(open_source(path).spans())
        theirs = sum(len(line.encode()) + 1 for line in lines) / _ACQUISITIONS
    return [
        Row(
            "bytes of recording per acquisition",
            f"{ours:.0f} B",
            f"OTLP JSON Lines {theirs:.0f} B",
            ours / theirs,
            "≤ 1/8",
            ours / theirs <= 1 / 8,
        )
    ]
