"""The differences between two versions of a rule, as values and as a sentence. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime, time, tzinfo
from typing import Any

from apps.common.differences import Difference, summarized

Fields = Mapping[str, Any]

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
    "why": "purpose",
}
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


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
    return "made" if before is None else summarized(differences(before, after))


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
