"""The choices of an answer. Pure."""

from collections.abc import Mapping
from typing import Any

_NAMES = frozenset(("role", "name", "id", "type", "content"))  # what a message has beside the things that it says


def index_of(choice: Any) -> int:
    """The choice that a piece belongs to. Without a valid number it is the first, so that no text is lost."""
    index = choice.get("index")
    return index if isinstance(index, int) and index >= 0 else 0


def brings_more(message: Mapping[str, Any]) -> bool:
    """Whether a message, or a piece of one, has more than its content: a tool call, thoughts, sound, a refusal."""
    return any(value for key, value in message.items() if key not in _NAMES)
