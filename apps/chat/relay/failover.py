"""Failover: who is asked after an attempt has failed. Pure."""

from collections.abc import Sequence
from random import Random

from apps.providers.catalogue import Target
from apps.providers.failures import Reason, UpstreamRefused
from apps.providers.routing import Candidate

OF_THE_CREDENTIAL: frozenset[Reason] = frozenset({"credential", "billing", "rate"})  # another one may be well
OF_THE_PROVIDER: frozenset[Reason] = frozenset({"unreachable", "busy", "too_large"})  # as are all of its deployments
_OF_THE_REQUEST: frozenset[Reason] = frozenset({"request", "too_long", "too_large"})

SHORT_WAIT = 5.0  # seconds that a provider may ask for and still be asked once more
LONGEST_BACKOFF = 0.5


def left_after(refused: UpstreamRefused, candidate: Candidate, rest: Sequence[Candidate]) -> list[Candidate]:
    """Those of the rest, in their order, that may do better than the candidate that failed like this."""
    target = candidate.target
    if refused.reason == "request":  # wrong everywhere
        return []
    if refused.reason == "too_long":
        return _larger(target, rest)
    if refused.reason in OF_THE_CREDENTIAL:
        return list(rest)
    if refused.reason in OF_THE_PROVIDER:
        return [other for other in rest if other.target.provider != target.provider]
    return [other for other in rest if other.target.deployment_id != target.deployment_id]


def _larger(target: Target, rest: Sequence[Candidate]) -> list[Candidate]:
    """Those that may have a larger context: the largest first, and then those whose size nobody has set."""
    window = target.context_window
    others = [other for other in rest if other.target.deployment_id != target.deployment_id]
    larger = [other for other in others if not window or (other.target.context_window or window + 1) > window]
    return sorted(larger, key=lambda other: -(other.target.context_window or 0))


def repeatable(failed: Sequence[tuple[Candidate, UpstreamRefused]], rng: Random) -> tuple[Candidate, float] | None:
    """Whom to ask once more if nobody else is left, and after how many seconds: the one who can be asked first.

    None if that is of no use, or if the provider wants to be left alone for longer than a student would wait.
    """
    if failed[-1][1].reason in _OF_THE_REQUEST:
        return None
    waits = [(wait, candidate) for candidate, refused in failed if (wait := _wait(refused)) is not None]
    if not waits:
        return None
    wait, candidate = min(waits, key=lambda found: found[0])
    return candidate, wait + rng.uniform(0.0, LONGEST_BACKOFF)


def _wait(refused: UpstreamRefused) -> float | None:
    after = 0.0 if refused.retry_after is None and refused.reason == "error" else refused.retry_after
    is_brief = refused.reason in ("error", "rate") and after is not None and after <= SHORT_WAIT
    return after if is_brief else None
