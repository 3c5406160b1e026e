"""Where on this machine our own files lie."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_config_path, user_state_path

__all__ = ["keymap", "recordings", "settings"]


def recordings() -> Path:
    """The folder of recordings that were not given a name; it may not exist."""
    return user_state_path("asyncctx-trace", appauthor=False) / "recordings"


def settings() -> Path:
    """What the app remembers."""
    return user_config_path("asyncctx-trace", appauthor=False) / "settings.json"


def keymap() -> Path:
    """The user's own keys."""
    return user_config_path("asyncctx-trace", appauthor=False) / "keymap.toml"
