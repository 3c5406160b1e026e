"""Writes a sample of what a very busy process does, one period after the other."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from random import SystemRandom

from asyncctx_trace.dumps.budget import DumpFolder
from asyncctx_trace.dumps.options import DumpOptions
from asyncctx_trace.model.constants import SAMPLE
from asyncctx_trace.model.unpatched import unpatched
from asyncctx_trace.recording.writing.ring import RingRecorder
from asyncctx_trace.recording.writing.sampled_excerpt import SampledExcerpt, Sampling

__all__ = ["PeriodicSamples"]

_log = logging.getLogger("asyncctx_trace")
_TURNOVER = 4
"""A period ends after this part of the ring's size at the latest: it must still be there."""


class PeriodicSamples:
    """Copies sampled acquisitions to a file for each period, as long as the ring has them."""

    def __init__(self, recorder: RingRecorder, options: DumpOptions, now: int) -> None:
        self._recorder = recorder
        self._options = options
        self._path = path = recorder.path.absolute()
        dumps = options.dumps
        folder = path.with_suffix(".samples") if dumps is None else dumps.absolute() / "samples"
        self._folder = DumpFolder(folder, path.stem, options.limit_for(recorder.retention))
        self._since = now
        self._written = 0
        """Bytes of records since the period began."""
        self._steps: Iterator[None] | None = None
        self._failed = False

    def look(self, now: int, new_bytes: int) -> None:
        """Begin to write if a period is over; ``new_bytes`` of records are new."""
        self._written += new_bytes
        limit = self._recorder.retention.bytes
        full = limit is not None and self._written * _TURNOVER >= limit
        if self._steps is None and (full or now - self._since >= self._options.sample_every):
            self._begin(now)

    def step(self) -> bool:
        """Go on with writing, for about a millisecond; return whether there is more to do."""
        if self._steps is None:
            return False
        try:
            next(self._steps)
        except StopIteration:
            self._steps = None
        except Exception as error:  # such as a full disk; the program goes on
            self._steps = None
            if not self._failed:
                self._failed = True
                _log.error("asyncctx-trace: no samples: %s", error)
        return self._steps is not None

    def close(self, now: int) -> None:
        """Write the last period."""
        while self.step():
            pass
        self._begin(now)
        while self.step():
            pass

    def _begin(self, now: int) -> None:
        since, self._since, self._written = self._since, now, 0
        if self._options.sample is not None and now > since:
            one_in = self._options.sample
            seed = SystemRandom().randrange(one_in)
            sampling = Sampling(one_in, self._options.sample_longer, seed)
            self._steps = self._write(since, now, sampling)

    def _write(self, since: int, now: int, sampling: Sampling) -> Iterator[None]:
        pid = unpatched.getpid()
        note: dict[str, object] = {
            "at": now,
            "since": since,
            "triggered": since,
            "trigger": SAMPLE,
            "reason": sampling.rule,
            "pid": pid,
            "suppressed": 0,
        }
        path: Path = self._folder.new_path(SAMPLE)
        target, partial = self._folder.create(path)
        try:
            excerpt = SampledExcerpt(self._path, target, since, now, sampling)
            yield from excerpt.steps(pid, note)
            partial.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                partial.unlink()
            raise
        finally:
            unpatched.close(target)
        self._folder.prune()
