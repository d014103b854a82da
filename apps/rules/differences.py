"""The differences between two versions of a rule, as values and as a sentence. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, tzinfo
from typing import Any

Fields = Mapping[str, Any]
LONGEST_SUMMARY = 500
_LONGEST_VALUE = 60

# Fields that have other labels in their forms.
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
    """One field that changed. Values are text; empty stands for no value."""

    field: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.field}: {_short(self.before)} → {_short(self.after)}"


def stored_form(values: Fields) -> dict[str, Any]:
    """The values in the form in which JSON stores them; instants are in UTC, so that equal ones are written alike."""
    return {name: _stored(value) for name, value in values.items()}


def _stored(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value.isoformat() if isinstance(value, date | time) else value


def differences(before: Fields | None, after: Fields, *, zone: tzinfo = UTC) -> list[Difference]:
    """The fields that changed, in the order of `after`, with instants in this time zone. Empty without `before`."""
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
