"""The extent of a report: how many findings and rows it shows."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Extent"]


@dataclass(frozen=True, slots=True)
class Extent:
    """The largest numbers to show; ``None`` means all."""

    groups: int | None = 5
    """Groups of findings."""
    rows: int | None = 10
    """Rows of a table."""
    by: str = "site"
    """Attribute waits to each ``site`` or each ``task`` that held."""
    items: int = 5
    """Things to look at, at the top."""

    @property
    def full(self) -> bool:
        """Whether everything is shown."""
        return self.groups is None
