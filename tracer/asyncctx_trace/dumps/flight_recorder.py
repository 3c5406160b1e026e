"""Watches the ring of this process, and writes a dump when a condition is fulfilled."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from asyncctx_trace.dumps.budget import DumpBudget, DumpFolder
from asyncctx_trace.dumps.detection import Detection, Trigger
from asyncctx_trace.dumps.hangs import Hangs
from asyncctx_trace.dumps.options import DumpOptions
from asyncctx_trace.dumps.periodic_samples import PeriodicSamples
from asyncctx_trace.model.text import plain, shorten
from asyncctx_trace.model.unpatched import unpatched
from asyncctx_trace.recording.writing.excerpt import Excerpt
from asyncctx_trace.recording.writing.ring import RingRecorder

__all__ = ["CALL", "FlightRecorder", "Listener"]

CALL = "call"
"""The trigger of a dump that the program itself asked for."""

_log = logging.getLogger("asyncctx_trace")
_INTERVAL = 200_000_000
"""ns between two looks at the records."""
_SLICE = 4_000_000
"""ns of one step of writing: the program waits for the interpreter meanwhile."""
_REASON = 300
"""The largest length of a reason, in characters."""


class Listener(Protocol):
    """Is told about triggers and dumps, to count them; may be called on any thread."""

    def triggered(self, trigger: str) -> None:
        """A condition was fulfilled."""

    def dumped(self, trigger: str, outcome: str) -> None:
        """It led to a dump: ``written``, ``suppressed`` or ``failed``."""


@dataclass(slots=True)
class _Request:
    """A dump that is to be written."""

    path: Path
    trigger: str
    reason: str
    at: int
    suppressed: int
    steps: Iterator[None] | None = None
    """What is left to do; ``None`` before it was begun."""


class FlightRecorder:
    """Evaluates conditions on the ring of ``recorder``, and writes dumps.

    :meth:`look` does all the work, a few milliseconds at a time; a watchdog calls it on a thread of
    its own. The other methods may be called on any thread, and in signal handlers.
    """

    def __init__(
        self,
        recorder: RingRecorder,
        options: DumpOptions,
        detection: Detection,
        hangs: Hangs | None,
        listener: Listener,
        *,
        clock: Callable[[], int] = unpatched.monotonic_ns,
    ) -> None:
        self._recorder = recorder
        self._options = options
        self._detection = detection
        self._hangs = hangs
        self._listener = listener
        self._clock = clock
        self._path = recording = recorder.path.absolute()
        self._started = clock()
        self._budget = DumpBudget(options.dump_every, options.dumps_per_hour)
        self._folder = DumpFolder(
            (options.dumps or recording.with_suffix(".dumps")).absolute(),
            recording.stem,
            options.limit_for(recorder.retention),
        )
        self._lock = unpatched.RLock()
        self._events: deque[tuple[str, tuple[int, ...]]] = deque()
        """Calls of the detection, to be made on the watchdog's thread."""
        self._signals: deque[str] = deque()
        self._requests: list[_Request] = []
        self._samples = None
        if options.sample is not None:
            self._samples = PeriodicSamples(recorder, options, clock())
        self._position = (0, 0)
        self._next_look = 0
        self.counts: Counter[str] = Counter()
        """How many dumps were ``written``, ``suppressed`` or ``failed``."""

    # -- what others report -----------------------------------------------------------------

    def dump(self, reason: str) -> Path | None:
        """Ask for a dump; return its path, at which it will be; ``None`` if it is suppressed."""
        return self._request(CALL, reason, self._clock())

    def signalled(self, name: str) -> None:
        """Note that the program got a signal; called in its handler, so it does nothing else."""
        self._signals.append(name)

    def stall_started(self, stall: int, since: int) -> None:
        """Note that an event loop stands still since ``since`` (monotonic ns)."""
        self._events.append(("started", (stall, since)))

    def stall_ended(self, stall: int, at: int) -> None:
        """Note that it goes on."""
        self._events.append(("ended", (stall, at)))

    def quiescent(self, at: int, since: int) -> None:
        """Note that nothing in the process can wake its event loop."""
        self._events.append(("quiescent", (at, since)))

    # -- the watchdog -----------------------------------------------------------------------

    def look(self) -> None:
        """Evaluate the conditions, if it is time for that, and go on with what is to be written."""
        now = self._clock()
        while self._signals:
            name = self._signals.popleft()
            self._request(name, f"the program got {name}", now)
        if now >= self._next_look:
            self._next_look = now + _INTERVAL
            with contextlib.suppress(OSError):  # truncated or replaced, which the recorder reports
                for trigger in self._found(now):
                    self._request(trigger.condition.text, trigger.reason, trigger.at)
        self._write(now)

    def close(self) -> None:
        """Evaluate the conditions once more, and finish what is to be written."""
        now = self._clock()
        self._next_look = 0
        self.look()
        with self._lock:
            for request in self._requests:
                if request.steps is None:
                    request.steps = self._steps(request, now)
                while self._step(request):
                    pass
            self._requests.clear()
        if self._samples is not None:
            self._samples.close(now)
        if total := self._budget.suppressed.total():
            with contextlib.suppress(OSError):
                self._recorder.marked(now, f"{total} triggers led to no dump: too many")

    def _found(self, now: int) -> Iterator[Trigger]:
        while self._events:
            kind, (first, second) = self._events.popleft()
            if kind == "started":
                self._detection.stall_started(first, second)
            elif kind == "ended":
                yield from self._detection.stall_ended(first, second)
            elif self._hangs is not None:
                self._hangs.quiescent(first, second)
        records, *position = self._recorder.records_since(*self._position)
        self._position = position[0], position[1]
        if self._samples is not None:
            self._samples.look(now, len(records))
        yield from self._detection.look(records, now)

    # -- dumps ------------------------------------------------------------------------------

    def _request(self, trigger: str, reason: str, at: int) -> Path | None:
        reason = shorten(plain(reason), _REASON)
        self._listener.triggered(trigger)
        with self._lock:
            accepted = self._budget.accept(trigger, self._clock())
            if not accepted:
                self._count(trigger, "suppressed")
                return None
            path = self._folder.new_path(trigger)
            suppressed = self._budget.suppressed.total()
            self._requests.append(_Request(path, trigger, reason, at, suppressed))
            self._recorder.hold(True)
        with contextlib.suppress(OSError):  # the disk is full, which the recorder reports
            self._recorder.marked(at, f"dump for {trigger}: {reason}")
        return path

    def _count(self, trigger: str, outcome: str) -> None:
        self.counts[outcome] += 1
        self._listener.dumped(trigger, outcome)

    def _write(self, now: int) -> None:
        """Begin what is due, and go on for a few milliseconds."""
        with self._lock:
            due = next(
                (r for r in self._requests if r.steps is not None or self._due(r, now)), None
            )
        until = unpatched.monotonic_ns() + _SLICE
        if due is None:
            while self._samples is not None and self._samples.step():
                if unpatched.monotonic_ns() >= until:
                    return
            return
        if due.steps is None:
            due.steps = self._steps(due, now)
        while self._step(due):
            if unpatched.monotonic_ns() >= until:
                return
        with self._lock:
            self._requests.remove(due)
            self._recorder.hold(bool(self._requests))

    def _due(self, request: _Request, now: int) -> bool:
        return now >= request.at + self._options.after

    def _step(self, request: _Request) -> bool:
        """Go on with a dump; return whether there is more to do."""
        assert request.steps is not None
        try:
            next(request.steps)
        except StopIteration:
            self._count(request.trigger, "written")
            return False
        except Exception as error:  # such as a full disk; the program goes on
            self._count(request.trigger, "failed")
            _log.error("asyncctx-trace: no dump for %s: %s", request.trigger, error)
            return False
        return True

    def _steps(self, request: _Request, now: int) -> Iterator[None]:
        pid = unpatched.getpid()
        since = max(self._started, request.at - self._options.before)
        end = max(request.at, min(now, request.at + self._options.after))
        note = {
            "at": end,
            "since": since,
            "triggered": request.at,
            "trigger": request.trigger,
            "reason": request.reason,
            "pid": pid,
            "suppressed": request.suppressed,
        }
        target, partial = self._folder.create(request.path)
        try:
            excerpt = Excerpt(self._path, target, since, end)
            yield from excerpt.steps(pid, note)
            partial.replace(request.path)
        except BaseException:
            with contextlib.suppress(OSError):
                partial.unlink()
            raise
        finally:
            unpatched.close(target)
        self._folder.prune()
