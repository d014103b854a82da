"""How long a provider asks us to wait. Pure."""

import re
from collections.abc import Mapping
from datetime import datetime

from apps.common.waits import number_of, wait_of

LONGEST_WAIT = 300.0  # seconds: a provider that asks for more is asked again after this time all the same

_RESET = re.compile(r"(?:x-|anthropic-)?ratelimit(?:\w*-reset.*|-.*-reset)")


def retry_after_of(
    headers: Mapping[str, str], now: datetime | None = None, *, longest: float = LONGEST_WAIT
) -> float | None:
    """Seconds until the provider wants to be asked again, at most `longest`; None if it names no time to come.

    Header names are in lower case. Without `now`, forms that name an instant are not read.
    """
    milliseconds = number_of(headers.get("retry-after-ms", ""))
    if milliseconds:
        return min(milliseconds / 1000, longest)
    wait = wait_of(headers.get("retry-after", ""), now) or _until_reset(headers, now)
    return min(wait, longest) if wait else None


def _until_reset(headers: Mapping[str, str], now: datetime | None) -> float | None:
    """The wait by the reset headers: the longest of the limits that are used up, or the shortest if none says so."""
    used_up: list[float] = []
    others: list[float] = []
    for name, value in headers.items():
        if not _RESET.fullmatch(name) or not (wait := wait_of(value, now)):
            continue
        rest = number_of(headers.get(name.replace("reset", "remaining"), ""))
        (used_up if rest == 0 else others).append(wait)
    return max(used_up) if used_up else min(others, default=None)
