"""Finds the texts of a request or an answer, and where they are. Pure, and the same for every dialect."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, NamedTuple

Path = tuple[str | int, ...]

BESIDE = -1  # the message of fields outside of all messages and choices


class Field(NamedTuple):
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
