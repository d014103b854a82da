"""What Prometheus learns of calls, their tokens and their rules, once they have ended."""

from collections.abc import Iterable
from functools import lru_cache

from prometheus_client import Counter

from apps.rules.rulebook import Hit

CALLS = Counter(
    "stoa_calls_total",
    "Accepted calls by ending: answered, blocked, left, failed (by provider or request), error (ours) or interrupted.",
    ["ending"],
)
TOKENS = Counter(
    "stoa_tokens_total", "Weighted tokens of calls that ended: reserved, charged, or given back.", ["movement"]
)
HITS = Counter(
    "stoa_rule_hits_total", "Places in prompts and answers that rules found.", ["action", "stage", "direction"]
)

_reserved, _charged, _given_back = (TOKENS.labels(name) for name in ("reserved", "charged", "given back"))


OURS = frozenset({"internal_error", "quota_backend_unavailable", "rules_unavailable", "shutting_down"})


def ended(*, ending: str, error_code: str, reserved: int, charged: int) -> None:
    _calls("error" if error_code in OURS else ending).inc()
    _reserved.inc(reserved)
    if charged:
        _charged.inc(charged)
    if reserved > charged:
        _given_back.inc(reserved - charged)


def interrupted(number: int) -> None:
    """So many calls of a process that died were resolved by another."""
    _calls("interrupted").inc(number)


def found(hits: Iterable[Hit]) -> None:
    for hit in hits:
        HITS.labels(hit.rule.action, hit.rule.stage, hit.direction).inc()


@lru_cache(maxsize=32)
def _calls(ending: str) -> Counter:
    return CALLS.labels(ending)


for _ending in ("answered", "blocked", "left", "failed", "error", "interrupted"):
    _calls(_ending)  # shown from the start, since Prometheus sees no increase in what appears with its first event
