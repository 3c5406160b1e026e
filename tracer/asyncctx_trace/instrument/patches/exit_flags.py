"""Determine from exceptions and code what an exit did besides its outcome.

Nothing here runs unless an exit fails, a deadline passes, or the body of a generator's manager
fails.
"""

from __future__ import annotations

import sys
from contextlib import _AsyncGeneratorContextManager as GeneratorManager
from types import CodeType, TracebackType

from asyncctx_trace.instrument.hidden_frames import call_hidden, hidden, is_ours, program_frame
from asyncctx_trace.instrument.publish import LEAVING, Acquisition, on_failed_exit
from asyncctx_trace.instrument.registry import sites
from asyncctx_trace.instrument.registry.lookups import mro
from asyncctx_trace.instrument.registry.tasks import current_task
from asyncctx_trace.instrument.rewriting import exception_handlers
from asyncctx_trace.instrument.rewriting.patching import calling_after_store
from asyncctx_trace.model.outcomes import ExitFlag, Outcome, outcome_of

__all__ = ["note_skipped", "of_failed_exit", "watch_deadline"]

_EXPIRED = int(ExitFlag.EXPIRED)
_SKIPPED = int(ExitFlag.SKIPPED)
_MOST = 64
"""Exceptions looked at in one tree of groups and causes."""
_RUNTIMES = frozenset({"anyio", "asyncio", "contextlib", "outcome", "trio", "uvloop"})
"""Packages whose own handlers do not count as an exit's handling of a cancellation."""
_CHECKPOINTS = frozenset(
    {"__sleep0", "cancel_shielded_checkpoint", "checkpoint", "checkpoint_if_cancelled"}
)
"""Functions that wait for nothing: an exit cancelled in one had nothing left to do there."""


def of_failed_exit(error: BaseException, body_error: BaseException | None) -> int:
    """Return the flags of an exit that raised ``error`` after its body raised ``body_error``."""
    flags = ExitFlag(0)
    if body_error is not None and (_leads_to(error, body_error) or _is_part(error, body_error)):
        flags |= ExitFlag.PASSED_ON
    elif outcome_of(error) is Outcome.CANCELLED and not isinstance(error, GeneratorExit):
        flags |= _how_far_it_came(error.__traceback__)
    return int(flags)


def _leads_to(error: BaseException, wanted: BaseException) -> bool:
    """Return whether ``error`` is ``wanted``, a group with it, or raised from either."""
    todo: list[BaseException] = [error]
    for _ in range(_MOST):
        if not todo:
            break
        found = todo.pop()
        if found is wanted:
            return True
        if isinstance(found, BaseExceptionGroup):
            todo.extend(BaseExceptionGroup.exceptions.__get__(found))
        if found.__cause__ is not None:
            todo.append(found.__cause__)
    return False


def _is_part(error: BaseException, group: BaseException) -> bool:
    """Return whether ``group`` contains ``error``: some exits unwrap groups of one."""
    return isinstance(group, BaseExceptionGroup) and _leads_to(group, error)


def _how_far_it_came(traceback: TracebackType | None) -> ExitFlag:
    """Distinguish an exit that was cancelled halfway from one that had done its work.

    The first entry may be the frame that awaits the exit; the others are the exit's.
    """
    entry = traceback
    if entry is not None and (is_ours(entry.tb_frame) or entry.tb_frame is program_frame()):
        entry = entry.tb_next
    innermost: TracebackType | None = None
    while entry is not None:
        frame = entry.tb_frame
        if frame.f_code.co_name in _CHECKPOINTS:
            return ExitFlag.FINISHED
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package not in _RUNTIMES:
            if exception_handlers.catches_cancellation(frame.f_code, entry.tb_lasti):
                return ExitFlag.FINISHED
            innermost = entry
        entry = entry.tb_next
    if innermost is None:
        # CPython 3.11 leaves no entry of the frames above a bare `yield`, as in `sleep(0)`.
        return ExitFlag.FINISHED if sys.version_info < (3, 12) else ExitFlag(0)
    shielded = exception_handlers.names_on_line(innermost.tb_frame.f_code, innermost.tb_lasti)
    return ExitFlag.FINISHED if "shield" in shielded else ExitFlag.CUT_SHORT


# -- generators -------------------------------------------------------------------------------


@hidden
def note_skipped(manager: object, acquisition: Acquisition) -> int:
    """Note that an error is about to skip the end of a generator; return the site of its yield.

    Return 0 where the manager is not a generator's, where a handler surrounds the ``yield``, or
    where no cleanup follows it.
    """
    if GeneratorManager not in mro(type(manager)):
        return 0
    site: int = call_hidden(_skipped_yield, manager, acquisition)
    return site


def _skipped_yield(manager: GeneratorManager, acquisition: Acquisition) -> int:  # type: ignore[type-arg]  # of anything
    frame = getattr(manager.gen, "ag_frame", None)
    if frame is None or not exception_handlers.skips_cleanup(frame.f_code, frame.f_lasti):
        return 0
    acquisition.flags |= _SKIPPED
    return sites.of_frame(frame)


# -- deadlines --------------------------------------------------------------------------------


def watch_deadline(code: CodeType, *consts: object) -> CodeType:
    """Return ``code``, of ``asyncio.Timeout.__aexit__``, that notes where a deadline has passed.

    The call stands where the method finds itself expired: it costs nothing otherwise.
    """
    return calling_after_store(code, "EXPIRED", _expired, "exc_type", *consts)


@hidden
def _expired(exc_type: type[BaseException] | None) -> None:
    """Note that a deadline has passed and its cancellation was swallowed: no error came out."""
    if exc_type is not None:
        return
    frame = program_frame()  # of `__aexit__`
    caller = None if frame is None else frame.f_back
    if caller is not None and "expired" in caller.f_code.co_names:
        return  # the program checks it
    for acquisition in reversed(current_task().open):
        if acquisition.state == LEAVING:
            acquisition.flags |= _EXPIRED
            break


on_failed_exit(of_failed_exit)
