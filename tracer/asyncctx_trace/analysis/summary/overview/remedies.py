"""What to do next about a kind of finding, or about holds that keep others waiting."""

from __future__ import annotations

from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.culprit import Culprit
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.text import percent, shorten

__all__ = ["REMEDIES", "remedy_for_holds"]

REMEDIES = {
    "deadlock": "Acquire them in the same order everywhere, or release the first one before "
    "waiting for the second.",
    "destroyed-task": "Keep a reference to the task until it has ended: in a set, or a TaskGroup.",
    "leak": "Use `async with`, or release it in a `finally`; look at what happens if the task is "
    "cancelled there.",
    "lock-order-inversion": "Acquire both in the same order everywhere: with another timing this "
    "is a deadlock.",
    "skipped-cleanup": "Put the `yield` inside a `try`, and the cleanup in its `finally`.",
    "expired-quietly": "Let the CancelledError out: catch `Exception`, not everything.",
    "over-release": "Release once for each acquire, as `async with` does.",
    "cleanup-error": "Handle the error inside the exit, so that it does not hide that of the body.",
    "cleanup-cancelled": "Shield what the exit must finish: `asyncio.shield()`, or a cancel scope "
    "with `shield=True` and a deadline.",
    "still-waiting": "Find out who should end this wait (view 3 shows it), and give it a deadline.",
    "blocked-loop": "Run it in a thread, with `asyncio.to_thread()`, or use an async library.",
    "enter-error": "Handle the error where the resource is acquired: retry, or fall back.",
    "starved-pool": "Return connections sooner; or enlarge the pool, if what is behind it can take "
    "more.",
    "ineffective-limit": "Acquire the semaphore inside the task, around its work.",
    "cancelled-in-enter": "In the enter, give back what it has acquired if it is cancelled.",
    "timeout": "Look at what it was waiting for when the deadline passed.",
    "suppressed-error": "Check that this exit is meant to suppress the error: no caller sees it.",
    "slow-cleanup": "Look at what the exit waits for (view 4 shows it).",
    "foreign-exit": "Enter and exit in the same task; close generators with `aclosing()`.",
    "out-of-order-exit": "Exit in the reverse order of entering: nested `async with`, or one "
    "`AsyncExitStack`.",
    "held-across-wait": "Wait before acquiring it, or after releasing it.",
}
"""Kind of finding -> what to do next."""

_MOSTLY = 0.5
"""The share of the waiting from which one reason is named."""
_SHORT = 10
"""Holds are short if the waits were so many times longer on average."""
_TEXT = 48
"""The largest width of a source line in a remedy."""


def remedy_for_holds(snapshot: Snapshot, culprit: Culprit, kept_waiting: int) -> str:
    """Return what to do about holds that kept ``kept_waiting`` acquisitions waiting."""
    mean = culprit.held // culprit.holds
    cause = max(culprit.causes, key=culprit.causes.__getitem__, default=None)
    if cause is not None and culprit.causes[cause] >= _MOSTLY * culprit.waited:
        share = percent(culprit.causes[cause] / culprit.waited)
        return (
            f"Do not hold it across {_line(snapshot, cause.site)}: it waited there for {share} of "
            "that time."
        )
    average = culprit.waited // kept_waiting if kept_waiting else 0
    if culprit.holds > 1 and mean * _SHORT < average:
        return (
            f"Each hold is short, {format_duration(mean)} on average, but many queue for it: "
            "acquire it less often, or use several (one for each key)."
        )
    capacity = culprit.group.capacity
    if capacity is not None and capacity > 1:
        return (
            f"Hold it for less time; or raise its limit of {capacity}, if what is behind it can "
            "take more."
        )
    return "Do less while holding it."


def _line(snapshot: Snapshot, site: int) -> str:
    known = snapshot.timeline.sites.get(site)
    place = snapshot.site_label(site)
    text = "" if known is None else shorten(known.text, _TEXT)
    return f"`{text}` ({place})" if text else place
