"""What the app remembers of its user from one time to the next."""

from __future__ import annotations

import json
import os
import sys
import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from asyncctx_trace.errors import AsyncctxTraceError
from asyncctx_trace_tui.storage import paths

__all__ = ["DEFAULT_THEME", "KeymapError", "Settings", "load", "load_keymap", "save"]

DEFAULT_THEME = "asyncctx-dark"


class KeymapError(AsyncctxTraceError):
    """The keymap file cannot be used; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that is remembered."""

    theme: str = DEFAULT_THEME
    ascii: bool = False
    """Whether to draw with ASCII glyphs alone."""


def load(path: Path | None = None) -> Settings:
    """The settings in ``path``; what is missing there, or makes no sense, is as at first."""
    path = path or paths.settings()
    poor = Settings(ascii=_is_limited_terminal())
    try:
        read = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return poor
    if not isinstance(read, dict):
        return poor
    known = asdict(poor)
    kept = {
        field.name: read[field.name]
        for field in fields(Settings)
        if type(read.get(field.name)) is type(known[field.name])
    }
    return Settings(**{**known, **kept})


def save(settings: Settings, path: Path | None = None) -> None:
    """Remember ``settings``, as a whole or not at all; raises OSError."""
    path = path or paths.settings()
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(asdict(settings), indent=2) + "\n", "utf-8")
    new.replace(path)


def load_keymap(path: Path | None = None) -> dict[str, str]:
    """Command -> its keys, separated by commas, from a TOML file; empty where there is none.

    Raises KeymapError.
    """
    path = path or paths.keymap()
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
