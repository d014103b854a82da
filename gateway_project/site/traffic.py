"""How much of the last hour's traffic each deployment took, and how fast it was. Reads one range of the calls' key."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max

from apps.common.ids import first_id
from apps.conversations.models import Call, CallAttempt
from apps.providers.admin.health import CallsThere

SPAN = timedelta(hours=1)
MOST_CALLS = 20_000  # the newest ones, if there were more

Key = tuple[str, str]  # the provider's name, and what it calls the model
Row = tuple[str, str, int | None, int]  # the key, the time to the first byte, and the whole time


@dataclass(frozen=True, slots=True)
class Spread:
    """Half of the calls took at most `p50` milliseconds, 95 percent at most `p95`."""

    p50: int
    p95: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Calls that a deployment answered. `of` is how many all deployments answered together."""

    calls: int
    of: int
    first_byte: Spread | None
    total: Spread | None


def of_last_hour(*, now: datetime) -> Mapping[Key, Traffic]:
    """By provider and upstream model: two models that share both also share the figures."""
    calls = Call.objects.filter(pk__gte=first_id(now - SPAN)).exclude(provider="").order_by("-pk")
    return measured(calls.values_list("provider", "upstream_model", "first_byte_ms", "duration_ms")[:MOST_CALLS])


def by_provider(*, now: datetime) -> Mapping[str, CallsThere]:
    """What became of calls at each provider, in two queries over one range of keys."""
    start = first_id(now - SPAN)
    calls = Call.objects.filter(pk__gte=start)
    # Of a busy hour the newest calls only.
    start = calls.order_by("-pk").values_list("pk", flat=True)[MOST_CALLS : MOST_CALLS + 1].first() or start
    served = Call.objects.filter(pk__gte=start).exclude(provider="").exclude(status=Call.Status.FAILED).order_by()
    failures = CallAttempt.objects.filter(call__gte=start).exclude(outcome="answered").order_by()
    failed = dict(failures.values_list("provider").annotate(Count("pk")))
    answered = {name: (count, last) for name, count, last in _counted(served)}
    return {
        name: CallsThere(
            answered=answered.get(name, (0, None))[0],
            failed=failed.get(name, 0),
            last_answer=answered.get(name, (0, None))[1],
        )
        for name in {*answered, *failed}
    }


def _counted(calls: Any) -> Any:
    return calls.values_list("provider").annotate(Count("pk"), Max("started_at"))


def measured(rows: Iterable[Row]) -> Mapping[Key, Traffic]:
    first: dict[Key, list[int]] = defaultdict(list)
    total: dict[Key, list[int]] = defaultdict(list)
    for provider, upstream_model, first_byte, whole in rows:
        total[provider, upstream_model].append(whole)
        if first_byte is not None:
            first[provider, upstream_model].append(first_byte)
    of = sum(map(len, total.values()))
    return {
        key: Traffic(calls=len(times), of=of, first_byte=spread(first.get(key, ())), total=spread(times))
        for key, times in total.items()
    }


def spread(times: Iterable[int]) -> Spread | None:
    """None without any. By the nearest rank: both are times that a call took."""
    ordered = sorted(times)
    if not ordered:
        return None
    return Spread(ordered[(len(ordered) * 50 - 1) // 100], ordered[(len(ordered) * 95 - 1) // 100])
