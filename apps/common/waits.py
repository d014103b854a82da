"""How long a server asks us to wait, as Retry-After and its like say it. Pure."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|h|m|s)")  # Go's durations: 1m30s, 6m0s, 20ms
_NUMBER = re.compile(r"\d{1,15}(\.\d{1,9})?")
_EPOCH, _EPOCH_MS = 10**9, 10**11  # numbers beyond these are instants, in seconds and in milliseconds


def wait_of(value: str, now: datetime | None) -> float | None:
    """Seconds, a duration, or an instant in any of its spellings; None if it is none of them, or has passed.

    Without `now`, instants are not read.
    """
    value = value.strip()
    if (number := number_of(value)) is not None:
        return number if number < _EPOCH else _since(_instant(number), now)
    if value and not _SPAN.sub("", value):
        return sum(float(number) * _UNITS[unit] for number, unit in _SPAN.findall(value))
    return _since(_date(value), now)


def _since(then: datetime | None, now: datetime | None) -> float | None:
    wait = (then - now).total_seconds() if then and now else 0.0
    return wait if wait > 0 else None


def number_of(value: str) -> float | None:
    return float(value) if _NUMBER.fullmatch(value.strip()) else None


def _instant(number: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(number / 1000 if number >= _EPOCH_MS else number, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _date(value: str) -> datetime | None:
    """An HTTP date, or one by RFC 3339."""
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            date = read(value)
        except (ValueError, TypeError, IndexError):
            continue
        return date if date.tzinfo else date.replace(tzinfo=UTC)
    return None
