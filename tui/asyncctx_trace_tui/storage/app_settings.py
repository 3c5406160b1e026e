"""The app's settings and key bindings, stored between runs."""

from __future__ import annotations

import json
import os
import sys
import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from asyncctx_trace.errors import AsyncctxTraceError
from asyncctx_trace_tui.storage import user_paths
from asyncctx_trace_tui.storage.atomic_write import open_atomic

__all__ = [
    "DEFAULT_THEME",
    "RENAMED_COMMANDS",
    "KeymapError",
    "Settings",
    "load",
    "load_keymap",
    "save",
]

DEFAULT_THEME = "asyncctx-dark"


RENAMED_COMMANDS = {
    f"{which}-fact{of}": f"{which}-event{of}"
    for which in ("previous", "next")
    for of in ("", "-of-task", "-of-resource")
}
"""Former command ids, which keymap files may still contain."""


class KeymapError(AsyncctxTraceError):
    """The keymap file is invalid; the message names the file and the reason."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings that the app stores."""

    theme: str = DEFAULT_THEME
    ascii: bool = False
    """Whether to draw with ASCII glyphs alone."""
    legend: bool = True
    """Whether a line below the lanes says what their glyphs mean."""


def load(path: Path | None = None) -> Settings:
    """Return the settings in ``path``, with defaults for missing and invalid ones."""
    path = path or user_paths.settings()
    defaults = Settings(ascii=_is_limited_terminal())
    try:
        read = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return defaults
    if not isinstance(read, dict):
        return defaults
    known = asdict(defaults)
    kept = {
        field.name: read[field.name]
        for field in fields(Settings)
        if type(read.get(field.name)) is type(known[field.name])
    }
    return Settings(**{**known, **kept})


def save(settings: Settings, path: Path | None = None) -> None:
    """Store ``settings`` atomically; raises OSError."""
    path = path or user_paths.settings()
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_atomic(path) as file:
        file.write(json.dumps(asdict(settings), indent=2) + "\n")


def load_keymap(path: Path | None = None) -> dict[str, str]:
    """Return command id -> comma-separated keys from a TOML file; empty if there is none.

    Raises KeymapError.
    """
    path = path or user_paths.keymap()
    try:
        read = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise KeymapError(f"cannot read {path}: {error}") from error
    wrong = [name for name, keys in read.items() if not isinstance(keys, str)]
    if wrong:
        raise KeymapError(
            f'invalid keys for {wrong[0]} in {path}; write for example play = "space,p"'
        )
    return read


def _is_limited_terminal() -> bool:
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower()
    return "utf" not in encoding or os.environ.get("TERM") in ("dumb", "linux", "vt100")
