"""The themes of the app: dark, light, and one for color-blind users."""

from __future__ import annotations

from textual.theme import Theme

from asyncctx_trace_tui.storage.app_settings import DEFAULT_THEME

__all__ = ["THEMES"]

THEMES = (
    Theme(
        name=DEFAULT_THEME,
        primary="#2fb8a6",
        secondary="#5b8def",
        accent="#f2b134",
        warning="#f2b134",
        error="#ff6b6b",
        success="#2fb8a6",
        foreground="#d8dee6",
        background="#10151c",
        surface="#151b24",
        panel="#1b232e",
        dark=True,
        variables={
            "wait": "#f2b134",
            "hold": "#2fb8a6",
            "cleanup": "#b48ef2",
            "problem": "#ff6b6b",
            "head": "#ffffff",
        },
    ),
    Theme(
        name="asyncctx-light",
        primary="#00796b",
        secondary="#3056c9",
        accent="#b26a00",
        warning="#b26a00",
        error="#c62828",
        success="#00796b",
        foreground="#22272e",
        background="#fbfaf7",
        surface="#f3f1ec",
        panel="#e8e5dd",
        dark=False,
        variables={
            "wait": "#d98200",
            "hold": "#00897b",
            "cleanup": "#7e4fc9",
            "problem": "#c62828",
            "head": "#000000",
        },
    ),
    # The palette of Okabe and Ito, https://jfly.uni-koeln.de/color/
    Theme(
        name="asyncctx-okabe-ito",
        primary="#56b4e9",
        secondary="#0072b2",
        accent="#e69f00",
        warning="#e69f00",
        error="#d55e00",
        success="#009e73",
        foreground="#e6e6e6",
        background="#000000",
        surface="#101010",
        panel="#1c1c1c",
        dark=True,
        variables={
            "wait": "#e69f00",
            "hold": "#56b4e9",
            "cleanup": "#cc79a7",
            "problem": "#d55e00",
            "head": "#f0e442",
        },
    ),
)
