"""The characters that the app draws with, in Unicode and in ASCII."""

from __future__ import annotations

from dataclasses import dataclass

from asyncctx_trace.model.events import Outcome
from asyncctx_trace.model.waits import WaitKind

__all__ = ["ASCII", "KIND_LETTERS", "STALL_LETTER", "UNICODE", "Glyphs"]

KIND_LETTERS = {
    WaitKind.FUTURE: "f",
    WaitKind.TASK: "t",
    WaitKind.TASKS: "t",
    WaitKind.FIRST_TASK: "t",
    WaitKind.QUEUE_GET: "g",
    WaitKind.QUEUE_PUT: "p",
    WaitKind.QUEUE_JOIN: "j",
    WaitKind.EVENT: "e",
    WaitKind.CONDITION: "c",
    WaitKind.BARRIER: "b",
    WaitKind.LOCK: "l",
    WaitKind.RECEIVE: "r",
    WaitKind.SEND: "s",
    WaitKind.THREAD: "x",
    WaitKind.IO: "i",
    WaitKind.SLEEP: "z",
    WaitKind.TIMED_TASKS: "t",
}
"""The letter at the start of a wait whose name has no room."""
STALL_LETTER = "!"


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The characters for everything that is drawn, each one cell wide."""

    full: tuple[str, str, str]
    """A column that is all waiting, all holding, all cleaning up."""
    little: tuple[str, str, str]
    """A column with less than a quarter of waiting, holding, cleaning up."""
    heights: str
    """Holding, by its share of the column, if it touches neither edge of the column."""
    lefts: str
    """The same if it touches the left edge; also for one phase followed by another."""
    rights: str
    """The same if it touches the right edge."""
    mixed: str
    alive: str
    """A task that is alive and in no acquisition."""
    alive_low: str
    """The same at the bottom of the line."""
    awaits: tuple[str, str]
    """A task that waits for something other than a manager: most of the column, less of it."""
    awaits_held: str
    """The same while it holds."""
    head: str
    outcomes: dict[Outcome, str]
    selected: str
    folded: str
    pinned: str
    fault: str
    """The start of a deadlock or a leak on the time ruler."""
    groups: tuple[str, str]
    """A closed group, an open one."""
    branch: str
    """From a waiter down to the holder."""
    tick: str
    here: str
    """The play head on the time ruler."""
    arrow_body: str
    arrow_start: tuple[str, str]
    """Pointing up, pointing down."""
    arrow_end: tuple[str, str]
    states: dict[str, str]
    """Playback state -> sign."""


UNICODE = Glyphs(
    full=("░", "█", "╱"),
    little=("·", "▁", "╱"),
    heights="▁▂▃▄▅▆▇█",
    lefts="▏▎▍▌▋▊▉█",
    rights="▕▕▕▐▐▐██",
    mixed="▚",
    alive="─",
    alive_low="_",
    awaits=("╌", "┈"),
    awaits_held="▓",
    head="│",
    outcomes={Outcome.ERROR: "✗", Outcome.CANCELLED: "⊘", Outcome.TIMED_OUT: "◷"},
    selected="▸",
    folded="+",
    pinned="◆",
    fault="✗",
    groups=("+", "-"),
    branch="└─ ",
    tick="╷",
    here="▼",
    arrow_body="┆",
    arrow_start=("╵", "╷"),
    arrow_end=("▲", "▼"),
    states={"live": "●", "end": "■", "playing": "▶", "playing back": "◀", "paused": "‖"},
)
ASCII = Glyphs(
    full=(".", "#", "/"),
    little=(".", "_", "/"),
    heights="__====##",
    lefts="[[[[####",
    rights="]]]]####",
    mixed="%",
    alive="-",
    alive_low="_",
    awaits=("~", "`"),
    awaits_held="=",
    head="|",
    outcomes={Outcome.ERROR: "x", Outcome.CANCELLED: "o", Outcome.TIMED_OUT: "t"},
    selected=">",
    folded="+",
    pinned="*",
    fault="x",
    groups=("+", "-"),
    branch="`- ",
    tick="'",
    here="V",
    arrow_body=":",
    arrow_start=("'", "."),
    arrow_end=("^", "v"),
    states={"live": "*", "end": "#", "playing": ">", "playing back": "<", "paused": "="},
)
