"""A source file as it is on disk now, split into tokens for highlighting."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

__all__ = ["SourceFile", "Token", "read_source"]

_LARGEST = 2_000_000
"""The largest size of a file that is shown, in bytes."""


class Token(NamedTuple):
    """A token of a line, of the kind ``keyword``, ``string``, ``comment`` or ``text``."""

    text: str
    kind: str


@dataclass(frozen=True)
class SourceFile:
    """The lines of a file, or the reason why they cannot be shown."""

    path: str
    lines: tuple[str, ...]
    problem: str = ""
    modified: float = 0.0
    """Seconds since 1970."""

    @cached_property
    def tokens(self) -> tuple[tuple[Token, ...], ...]:
        """The tokens of each line."""
        return tuple(_tokenize("\n".join(self.lines)))


@lru_cache(maxsize=32)
def read_source(path: str) -> SourceFile:
    """Read the file ``path``; only regular files of at most 2 MB are opened."""
    try:
        seen = Path(path).stat()
        if not stat.S_ISREG(seen.st_mode):
            return SourceFile(path, (), "not a regular file")
        if seen.st_size > _LARGEST:
            return SourceFile(path, (), f"larger than {_LARGEST // 10**6} MB")
        text = Path(path).read_bytes().decode("utf-8", "replace")
    except FileNotFoundError:
        return SourceFile(path, (), "not found on this machine")
    except (OSError, ValueError) as error:
        return SourceFile(path, (), getattr(error, "strerror", None) or str(error))
    return SourceFile(path, tuple(text.expandtabs().split("\n")), "", seen.st_mtime)


def _tokenize(text: str) -> Iterator[tuple[Token, ...]]:
    from pygments.lexers.python import PythonLexer
    from pygments.token import Comment, Keyword, Operator, String, is_token_subtype

    kinds = (
        (Keyword, "keyword"),
        (Operator.Word, "keyword"),
        (String, "string"),
        (Comment, "comment"),
    )
    line: list[Token] = []
    for token_type, value in PythonLexer(stripnl=False, ensurenl=False).get_tokens(text):
        kind = next((kind for above, kind in kinds if is_token_subtype(token_type, above)), "text")
        first, *others = value.split("\n")
        if first:
            line.append(Token(first, kind))
        for other in others:
            yield tuple(line)
            line = [Token(other, kind)] if other else []
    yield tuple(line)
