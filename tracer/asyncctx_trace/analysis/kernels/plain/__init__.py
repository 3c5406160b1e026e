"""The operations in plain Python; as a module it is an implementation of the protocol."""

from asyncctx_trace.analysis.kernels.plain.charges import charges
from asyncctx_trace.analysis.kernels.plain.handovers import fill_in_order
from asyncctx_trace.analysis.kernels.plain.held_waits import held_waits
from asyncctx_trace.analysis.kernels.plain.nestings import nesting_steps, nestings
from asyncctx_trace.analysis.kernels.plain.occupancy import (
    blocked_times,
    blocked_waiters,
    hand_over_time,
    holds,
    integral,
    occupancy_steps,
)
from asyncctx_trace.analysis.kernels.plain.paths import event_times, last_event_times, path_steps
from asyncctx_trace.analysis.kernels.plain.scans import (
    cleanup_counts,
    parents,
    tasks_with_overlaps,
    waits,
)
from asyncctx_trace.analysis.kernels.plain.usage import (
    duration_stats,
    held_and_lifetime,
    overtaken,
    rows_by_entry,
)
from asyncctx_trace.analysis.kernels.plain.wait_groups import wait_groups

__all__ = [
    "blocked_times",
    "blocked_waiters",
    "charges",
    "cleanup_counts",
    "duration_stats",
    "event_times",
    "fill_in_order",
    "hand_over_time",
    "held_and_lifetime",
    "held_waits",
    "holds",
    "integral",
    "last_event_times",
    "nesting_steps",
    "nestings",
    "occupancy_steps",
    "overtaken",
    "parents",
    "path_steps",
    "rows_by_entry",
    "tasks_with_overlaps",
    "wait_groups",
    "waits",
]
