"""The characters that the app draws with, in Unicode and in ASCII."""

from __future__ import annotations

from dataclasses import dataclass

from asyncctx_trace.model.events import Outcome

__all__ = ["ASCII", "UNICODE", "Glyphs"]


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One alphabet for everything that is drawn; every glyph is one column wide."""

    full: tuple[str, str, str]
    """A slice that is all waiting, all holding, all cleaning up."""
    little: tuple[str, str, str]
    """A slice with less than a quarter of it."""
    heights: str
    """Holding, by how much of the slice, where it does not reach an edge of the slice."""
    lefts: str
    """The same where it begins before the slice; also where one phase follows another."""
    rights: str
    """The same where it goes on after the slice."""
    mixed: str
    alive: str
    """A task that lives and is in no acquisition."""
    alive_low: str
    """The same at the foot of its line."""
    head: str
    outcomes: dict[Outcome, str]
    selected: str
    folded: str
    pinned: str
    branch: str
    """From who waits down to who holds."""
    tick: str
    here: str
    """Points down from the ruler to the play head."""
    arrow_body: str
    arrow_start: tuple[str, str]
    """Upwards, downwards."""
    arrow_end: tuple[str, str]
    states: dict[str, str]
    """Signs for what the play head does."""


UNICODE = Glyphs(
    full=("░", "█", "╱"),
    little=("·", "▁", "╱"),
    heights="▁▂▃▄▅▆▇█",
    lefts="▏▎▍▌▋▊▉█",
    rights="▕▕▕▐▐▐██",
    mixed="▚",
    alive="─",
    alive_low="_",
    head="│",
    outcomes={Outcome.ERROR: "✗", Outcome.CANCELLED: "⊘", Outcome.TIMED_OUT: "◷"},
    selected="▸",
    folded="+",
    pinned="◆",
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
    head="|",
    outcomes={Outcome.ERROR: "x", Outcome.CANCELLED: "o", Outcome.TIMED_OUT: "t"},
    selected=">",
    folded="+",
    pinned="*",
    branch="`- ",
    tick="'",
    here="V",
    arrow_body=":",
    arrow_start=("'", "."),
    arrow_end=("^", "v"),
    states={"live": "*", "end": "#", "playing": ">", "playing back": "<", "paused": "="},
)
