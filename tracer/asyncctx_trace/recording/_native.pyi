from typing import TypeVar

T = TypeVar("T")

def stand_in(original: T, /) -> T:
    """What does the same as a function or class, compiled; raises LookupError."""
