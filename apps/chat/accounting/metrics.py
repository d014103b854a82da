"""What Prometheus learns of calls, their tokens and their rules, once they have ended."""

from collections.abc import Iterable
from functools import lru_cache

from prometheus_client import Counter

from apps.rules.rulebook import Hit

CALLS = Counter("stoa_calls_total", "Calls that held tokens, by how they ended.", ["ending"])
TOKENS = Counter(
    "stoa_tokens_total", "Weighted tokens of calls that ended: reserved, charged, or given back.", ["movement"]
)
HITS = Counter(
    "stoa_rule_hits_total", "Places in prompts and answers that rules found.", ["action", "stage", "direction"]
)

_reserved, _charged, _given_back = (TOKENS.labels(name) for name in ("reserved", "charged", "given back"))


def ended(*, ending: str, reserved: int, charged: int) -> None:
    _calls(ending).inc()
    _reserved.inc(reserved)
    if charged:
        _charged.inc(charged)
    if reserved > charged:
        _given_back.inc(reserved - charged)


def found(hits: Iterable[Hit]) -> None:
    for hit in hits:
        HITS.labels(hit.rule.action, hit.rule.stage, hit.direction).inc()


@lru_cache(maxsize=32)
def _calls(ending: str) -> Counter:
    return CALLS.labels(ending)
