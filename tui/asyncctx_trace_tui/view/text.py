"""What the terminal side says in words: a window onto the library's own.

Everything that comes from the traced program goes through :func:`plain` or :func:`shorten`
before it reaches a screen, as text and never as markup.
"""

from asyncctx_trace.analysis.words import cut, duration, percent, plain, shorten

__all__ = ["cut", "duration", "percent", "plain", "shorten"]
