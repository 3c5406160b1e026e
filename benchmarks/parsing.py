"""What it takes to read the same spans as OTLP JSON Lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from asyncctx_trace.export.formats import otlp_json
from asyncctx_trace.sources import open_source
from benchmarks.measure import child
from benchmarks.recordings import synthetic

__all__ = ["parsing"]

_SAMPLE = 10_000
"""Acquisitions whose lines stand for all: json.loads takes each line by itself."""

_PARSING = """
import json, sys, time
lines = open(sys.argv[1]).read().splitlines()
clock = getattr(time, sys.argv[3])
started = clock()
for _ in range(int(sys.argv[2])):
    for line in lines:
        json.loads(line)
print(json.dumps({"seconds": clock() - started}))
"""


def parsing(folder: Path, acquisitions: int, clock: str = "perf_counter") -> Callable[[], float]:
    """Seconds of ``json.loads`` of each line of their spans, one span a line, at every call.

    ``clock`` is the name of a function of ``time``.
    """
    sample = folder / "sample.jsonl"
    source = open_source(synthetic(folder / "sample.actx", _SAMPLE))
    otlp_json.SPANS_PER_LINE = 1
    sample.write_text("\n".join(otlp_json.write(source.spans())))
    return lambda: float(child(_PARSING, sample, acquisitions // _SAMPLE, clock)["seconds"])
