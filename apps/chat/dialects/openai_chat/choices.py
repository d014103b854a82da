"""The choices of an answer. Pure."""

from typing import Any


def index_of(choice: Any) -> int:
    """The choice that a piece belongs to. Without a valid number it is the first, so that no text is lost."""
    index = choice.get("index")
    return index if isinstance(index, int) and index >= 0 else 0
