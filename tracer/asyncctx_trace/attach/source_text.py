"""The expressions at a line of source, by which people know a lock."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

__all__ = ["SourceText"]

_LARGEST = 4_000_000
"""Bytes of a source file that is read."""


class SourceText:
    """Reads source files as another process sees them; what cannot be read has no text."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._texts: dict[str, str] = {}
        self._nodes: dict[str, list[ast.AST]] = {}

    def managers(self, file: str, line: int) -> list[str]:
        """Return the expressions of the ``with`` items at a line, in order."""
        found = [
            item.context_expr
            for node in self._parsed(file)
            if isinstance(node, ast.With | ast.AsyncWith)
            for item in node.items
            if item.context_expr.lineno <= line <= (item.context_expr.end_lineno or 0)
            or node.lineno == line
        ]
        return [self._segment(file, expression) for expression in found]

    def receiver(self, file: str, line: int, methods: tuple[str, ...]) -> str:
        """Return on what one of ``methods`` is called at a line: ``self.lock``, or ``""``."""
        for node in self._parsed(file):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in methods
                and node.lineno <= line <= (node.end_lineno or 0)
            ):
                return self._segment(file, node.func.value)
        return ""

    def line(self, file: str, line: int) -> str:
        """Return a line without its indentation."""
        lines = self._text(file).splitlines()
        return lines[line - 1].strip() if 0 < line <= len(lines) else ""

    def _text(self, file: str) -> str:
        found = self._texts.get(file)
        if found is None:
            found = self._texts[file] = self._read(file)
        return found

    def _read(self, file: str) -> str:
        path = self._root / file.lstrip("/")
        try:
            if not path.is_file() or path.stat().st_size > _LARGEST:
                return ""
            return path.read_text(encoding="utf-8", errors="replace")
        except (OSError, ValueError):
            return ""

    def _parsed(self, file: str) -> list[ast.AST]:
        """Return what may be a manager or a call; only files of the program are parsed."""
        found = self._nodes.get(file)
        if found is None:
            try:
                found = list(_walk(ast.parse(self._text(file))))
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                found = []
            self._nodes[file] = found
        return found

    def _segment(self, file: str, node: ast.expr) -> str:
        return " ".join((ast.get_source_segment(self._text(file), node) or "").split())


def _walk(tree: ast.AST) -> Iterator[ast.AST]:
    kinds = (ast.With, ast.AsyncWith, ast.Call)
    return (node for node in ast.walk(tree) if isinstance(node, kinds))
