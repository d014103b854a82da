"""The choices of an answer. Pure."""

from typing import Any


def index_of(choice: Any) -> int:
    """Which of several answers a piece belongs to; what is no such number is the first, so that no text is lost."""
    index = choice.get("index")
    return index if isinstance(index, int) and index >= 0 else 0
