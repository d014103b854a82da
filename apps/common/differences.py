"""The differences between two versions of something that staff manage, as values and as a sentence. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

LONGEST_SUMMARY = 500
_LONGEST_VALUE = 60


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that changed. Values are text; empty stands for no value."""

    field: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.field}: {_short(self.before)} → {_short(self.after)}"


def stored_form(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values in the form in which JSON stores them; instants are in UTC, so that equal ones are written alike."""
    return {name: _stored(value) for name, value in values.items()}


def summarized(differences: Iterable[Difference]) -> str:
    """What changed, in one line."""
    return "; ".join(map(str, differences))[:LONGEST_SUMMARY]


def _stored(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value.isoformat() if isinstance(value, date | time) else value


def _short(text: str) -> str:
    line = " ".join(text.split())
    return (line if len(line) <= _LONGEST_VALUE else line[: _LONGEST_VALUE - 1] + "…") or "nothing"
