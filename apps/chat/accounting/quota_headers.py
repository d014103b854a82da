"""Response headers that tell a student what is left of the week."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from operator import itemgetter

from apps.quotas.ledger.movements import WARN_FROM, Balance, percentage_used
from apps.quotas.rate_limits.limits import duration
from apps.quotas.weeks import Week

MICROSECOND = timedelta(microseconds=1)


def quota_headers(balances: Sequence[Balance], *, now: datetime) -> dict[str, str]:
    """The student's own limit and reset, what remains over all accounts, and from 80 percent on how much is used.

    The tightest account also goes by the header names that OpenAI's clients know, since its limit is met first. If
    nothing is limited, only the reset is sent.
    """
    own = balances[0]
    headers = {"x-quota-reset": _rfc3339(own.account.week)}
    if (limit := own.limit) is not None:
        headers["x-quota-limit-tokens"] = str(limit)
        if (used := percentage_used(own)) >= WARN_FROM:
            headers["x-quota-warning"] = str(used)
    limited = [(left, one) for one in balances if (left := one.remaining) is not None]
    if limited:
        left, tightest = min(limited, key=itemgetter(0))
        headers["x-quota-remaining-tokens"] = headers["x-ratelimit-remaining-tokens"] = str(left)
        headers["x-ratelimit-limit-tokens"] = str(tightest.limit)
        headers["x-ratelimit-reset-tokens"] = duration((tightest.account.week.ends_at - now) // MICROSECOND)
    return headers


@lru_cache(maxsize=256)
def _rfc3339(week: Week) -> str:
    return week.ends_at.isoformat().replace("+00:00", "Z")
