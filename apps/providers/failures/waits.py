"""How long a provider asks us to wait. Pure."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_WAIT = 300.0  # seconds: a provider that asks for more is asked again after this time all the same

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|h|m|s)")  # Go's durations: 1m30s, 6m0s, 20ms
_NUMBER = re.compile(r"\d{1,15}(\.\d{1,9})?")
_EPOCH, _EPOCH_MS = 10**9, 10**11  # numbers beyond these are instants, in seconds and in milliseconds
_RESET = re.compile(r"(?:x-|anthropic-)?ratelimit(?:\w*-reset.*|-.*-reset)")


def retry_after_of(
    headers: Mapping[str, str], now: datetime | None = None, *, longest: float = LONGEST_WAIT
) -> float | None:
    """Seconds until the provider wants to be asked again, at most `longest`; None if it names no time to come.

    Header names are in lower case. Without `now`, forms that name an instant are not read.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds:
        return min(milliseconds / 1000, longest)
    wait = _wait(headers.get("retry-after", ""), now) or _until_reset(headers, now)
    return min(wait, longest) if wait else None


def _until_reset(headers: Mapping[str, str], now: datetime | None) -> float | None:
    """The wait by the reset headers: the longest of the limits that are used up, or the shortest if none says so."""
    used_up: list[float] = []
    others: list[float] = []
    for name, value in headers.items():
        if not _RESET.fullmatch(name) or not (wait := _wait(value, now)):
            continue
        rest = _number(headers.get(name.replace("reset", "remaining"), ""))
        (used_up if rest == 0 else others).append(wait)
    return max(used_up) if used_up else min(others, default=None)


def _wait(value: str, now: datetime | None) -> float | None:
    """Seconds, a duration, or an instant in any of its spellings; None if it is none of them, or has passed."""
    value = value.strip()
    if (number := _number(value)) is not None:
        return number if number < _EPOCH else _since(_instant(number), now)
    if value and not _SPAN.sub("", value):
        return sum(float(number) * _UNITS[unit] for number, unit in _SPAN.findall(value))
    return _since(_date(value), now)


def _since(then: datetime | None, now: datetime | None) -> float | None:
    wait = (then - now).total_seconds() if then and now else 0.0
    return wait if wait > 0 else None


def _number(value: str) -> float | None:
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
