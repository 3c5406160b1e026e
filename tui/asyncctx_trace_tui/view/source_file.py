"""A source file as it is on disk now, split into tokens for highlighting."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

from asyncctx_trace.errors import NotARecording
from asyncctx_trace.recording.regular_file import open_regular
from asyncctx_trace.recording.writing.source_digest import LARGEST_SOURCE, digest_of

__all__ = ["SourceFile", "Token", "read_source"]

_NO_SOURCES = tuple(f"{os.sep}{folder}{os.sep}" for folder in ("proc", "sys", "dev"))
"""Folders whose files have no content of their own."""
_PYTHON = (".py", ".pyw", ".pyi")


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
def read_source(path: str, digest: str = "") -> SourceFile:
    """Read the file ``path`` if it belongs to the program of the recording.

    It does if its content is that which the recorder saw, by the ``digest`` in the recording. A
    recording from somebody else may name any file of this machine, but nobody knows the digest of
    a file that they have not read. Older recordings have none; then only Python files are read.
    """
    try:
        real = os.path.realpath(path)
        if real.startswith(_NO_SOURCES):
            return SourceFile(path, (), "not a source file")
        if not digest and not real.endswith(_PYTHON):
            return SourceFile(path, (), "not known to be a file of the program")
        with os.fdopen(open_regular(real), "rb") as file:
            content = file.read(LARGEST_SOURCE + 1)
            modified = os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        return SourceFile(path, (), "not found on this machine")
    except NotARecording:
        return SourceFile(path, (), "not a regular file")
    except (OSError, ValueError) as error:
        return SourceFile(path, (), getattr(error, "strerror", None) or str(error))
    if len(content) > LARGEST_SOURCE:
        return SourceFile(path, (), f"larger than {LARGEST_SOURCE // 10**6} MB")
    if digest and digest_of(content) != digest:
        return SourceFile(path, (), "it is not as it was when it was recorded")
    text = content.decode("utf-8", "replace")
    return SourceFile(path, tuple(text.expandtabs().split("\n")), "", modified)


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
