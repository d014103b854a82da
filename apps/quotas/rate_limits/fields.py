"""The RateLimit header fields of draft-ietf-httpapi-ratelimit-headers: structured fields with several policies. Pure.

`RateLimit-Policy: "key";q=60;w=60` says what is allowed, `RateLimit: "key";r=12;t=30` what is left of it, and in how
many seconds there is more.
"""

from collections.abc import Iterable, Sequence

from apps.quotas.rate_limits.limits import SECOND, Scope

POLICY, LIMIT = "ratelimit-policy", "ratelimit"


def policy_field(scopes: Iterable[Scope]) -> str:
    return ", ".join(f'"{scope.policy}";q={scope.told_limit};w={scope.window // SECOND}' for scope in scopes)


def limit_field(standing: Iterable[tuple[Scope, int, int]]) -> str:
    """Of each scope how much is left, and the span after which there is more."""
    return ", ".join(f'"{scope.policy}";r={left};t={whole_seconds(span)}' for scope, left, span in standing)


def fields(scopes: Sequence[Scope], standing: Iterable[tuple[Scope, int, int]]) -> dict[str, str]:
    return {POLICY: policy_field(scopes), LIMIT: limit_field(standing)}


def whole_seconds(span: int) -> int:
    return max(0, -(-span // SECOND))
