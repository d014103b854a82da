"""Failover: who is asked after an attempt has failed. Pure."""

from collections.abc import Sequence

from apps.providers.failures import Reason, UpstreamRefused
from apps.providers.routing import Candidate

OF_THE_CREDENTIAL: frozenset[Reason] = frozenset({"credential", "billing", "rate"})  # another one may be well
OF_THE_PROVIDER: frozenset[Reason] = frozenset({"unreachable", "busy", "too_large"})  # as are all of its deployments


def left_after(refused: UpstreamRefused, candidate: Candidate, rest: Sequence[Candidate]) -> list[Candidate]:
    """Those of the rest, in their order, that may do better than the candidate that failed like this."""
    target = candidate.target
    if refused.reason == "request":  # wrong everywhere
        return []
    if refused.reason == "too_long":
        return _larger(target.context_window or 0, rest)
    if refused.reason in OF_THE_CREDENTIAL:
        return list(rest)
    if refused.reason in OF_THE_PROVIDER:
        return [other for other in rest if other.target.provider != target.provider]
    return [other for other in rest if other.target.deployment_id != target.deployment_id]


def _larger(window: int, rest: Sequence[Candidate]) -> list[Candidate]:
    """Those with a larger context, the largest first."""
    larger = [other for other in rest if (other.target.context_window or 0) > window]
    return sorted(larger, key=lambda other: -(other.target.context_window or 0))
