"""What differs between two versions of a rule, as values and as a sentence. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

Fields = Mapping[str, Any]
LONGEST_SUMMARY = 500
_LONGEST_VALUE = 60


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that changed. Values as text; nothing is an empty text."""

    field: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.field}: {_short(self.before)} → {_short(self.after)}"


def stored_form(values: Fields) -> dict[str, Any]:
    """The values as JSON keeps them; instants in UTC, so that equal ones are spelled alike."""
    return {name: _stored(value) for name, value in values.items()}


def _stored(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value.isoformat() if isinstance(value, date | time) else value


def differences(before: Fields | None, after: Fields) -> list[Difference]:
    """Field by field, in the order of the later version. Without an earlier one nothing is different."""
    if before is None:
        return []
    return [
        Difference(name.replace("_", " "), _words(before.get(name)), _words(value))
        for name, value in after.items()
        if before.get(name) != value
    ]


def summary(before: Fields | None, after: Fields) -> str:
    """What changed, in one line."""
    if before is None:
        return "made"
    return "; ".join(map(str, differences(before, after)))[:LONGEST_SUMMARY]


def _words(value: Any) -> str:
    return "" if value is None else str(value)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return (line if len(line) <= _LONGEST_VALUE else line[: _LONGEST_VALUE - 1] + "…") or "nothing"
