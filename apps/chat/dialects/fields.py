"""Finds the texts of a request or an answer, and where they are. Pure, and the same for every dialect."""

import binascii
import re
from base64 import b64decode
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]

BESIDE = -1  # the message of fields outside of all messages and choices
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w.+-]+=[\w.+-]+)*;base64,([A-Za-z0-9+/_=-]*)")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_MEDIA = ("image", "audio", "video")


@dataclass(frozen=True, slots=True)
class Field:
    """One text: the number of its message or choice (or BESIDE), and its path in the body.

    Neighbours with the same `speaker` are also read as one text; a field with None is read alone. `is_json`: its reader
    parses it as JSON. `is_fixed`: it cannot be changed in place, like the name of a property.
    """

    message: int
    path: Path
    text: str
    speaker: Hashable = None
    is_json: bool = False
    is_fixed: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A string within a JSON value. `is_name`: it is the name of a property, and has the path of its value."""

    path: Path
    text: str
    is_name: bool = False


def strings(
    value: Any, path: Path = (), *, labels: frozenset[str] = frozenset(), names: frozenset[str] | None = None
) -> list[Found]:
    """Every string in a JSON value that is not empty, in order, except what is under a label.

    With `names`, also the names of properties that are not among them.
    """
    found: list[Found] = []
    _collect(value, path, labels, names, found)
    return found


def _collect(value: Any, path: Path, labels: frozenset[str], names: frozenset[str] | None, found: list[Found]) -> None:
    if isinstance(value, str):
        if value:
            found.append(Found(path, value))
    elif isinstance(value, dict):
        for key, child in value.items():
            if key not in labels:
                if names is not None and key not in names:
                    found.append(Found((*path, key), key, is_name=True))
                _collect(child, (*path, key), labels, names, found)
    elif isinstance(value, list):
        for number, child in enumerate(value):
            _collect(child, (*path, number), labels, names, found)


def is_data_url(text: str) -> bool:
    return text.startswith("data:") and _DATA_URL.fullmatch(text) is not None


def is_base64(text: str) -> bool:
    return _BASE64.fullmatch(text) is not None


def attached_text(data: str, *, default_type: str = "text/plain") -> str:
    """The text of an attached file, a data URL or bare base64. Empty for images, sound and other binary data."""
    url = _DATA_URL.fullmatch(data)
    kind, content = (url[1] or "text/plain", url[2]) if url else (default_type, data)
    if kind.startswith(_MEDIA) and not kind.endswith("xml"):
        return ""
    try:
        decoded = b64decode(content.replace("-", "+").replace("_", "/") + "==")
        return decoded.decode(errors="replace" if kind.startswith("text/") else "strict")
    except (binascii.Error, UnicodeDecodeError):
        return ""
