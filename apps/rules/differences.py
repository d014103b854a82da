"""What differs between two versions of a rule, as values and as a sentence. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, tzinfo
from typing import Any

Fields = Mapping[str, Any]
LONGEST_SUMMARY = 500
_LONGEST_VALUE = 60

# Fields that their forms call by other names.
LABELS = {
    "assignment": "assignment tag",
    "checksum": "counts",
    "ends_at": "until",
    "examples_match": "must be found",
    "examples_no_match": "must not be found",
    "from_time": "from hour",
    "starts_at": "from",
    "until_time": "until hour",
    "weekdays": "days",
}
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


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


def differences(before: Fields | None, after: Fields, *, zone: tzinfo = UTC) -> list[Difference]:
    """Field by field, in the order of the later version, instants on a clock of that zone.

    Without an earlier version nothing is different.
    """
    if before is None:
        return []
    return [
        Difference(
            LABELS.get(name, name.replace("_", " ")), _words(name, before.get(name), zone), _words(name, value, zone)
        )
        for name, value in after.items()
        if before.get(name) != value
    ]


def summary(before: Fields | None, after: Fields) -> str:
    """What changed, in one line."""
    if before is None:
        return "made"
    return "; ".join(map(str, differences(before, after)))[:LONGEST_SUMMARY]


def _words(name: str, value: Any, zone: tzinfo) -> str:
    """A stored value as people write it."""
    if value is None:
        return ""
    if name in ("starts_at", "ends_at"):
        return f"{datetime.fromisoformat(value).astimezone(zone):%Y-%m-%d %H:%M} {zone}"
    if name in ("from_time", "until_time"):
        return f"{time.fromisoformat(value):%H:%M}"
    if name == "weekdays":
        return ", ".join(DAYS[int(day)] for day in value)
    return str(value)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return (line if len(line) <= _LONGEST_VALUE else line[: _LONGEST_VALUE - 1] + "…") or "nothing"
