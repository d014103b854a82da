"""Paths of fields, as tests name them."""

from apps.chat.dialects.fields import Path


def kind_of(path: Path) -> str:
    """`messages[].content[].text`: a path without its numbers."""
    kind = ""
    for step in path:
        kind += "[]" if isinstance(step, int) else f".{step}" if kind else step
    return kind
