"""Health checks: what one found, and what that says about an instance. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from apps.common.health.states import Standing, State

# What an answer to a health check disproves. A service that is slow or fails may still answer its checks.
DISPROVED: Final = frozenset({"unreachable", "closed", "check"})
PATIENCE: Final = timedelta(seconds=90)  # after a bad check, trials are left to the checks for so long at least


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPolicy:
    interval: float
    good: int  # in a row
    bad: int

    @property
    def patience(self) -> timedelta:
        return max(PATIENCE, timedelta(seconds=3 * self.interval))


def after_check(state: State, streak: int, policy: CheckPolicy, *, error: str, now: datetime) -> State | None:
    """The state of an instance after a check, if that changes it. `streak` is that of the checks before.

    A good one puts it on probation, once its time is over or if it is proven that it answers again. Enough of those
    bring it back. Enough bad ones take it out; each keeps requests from being the trial.
    """
    return _after_bad(state, streak, policy, error, now) if error else _after_good(state, streak, policy, now)


def _after_good(state: State, streak: int, policy: CheckPolicy, now: datetime) -> State | None:
    if not state.is_open:
        return None
    is_proven = state.reason in DISPROVED
    if is_proven and max(streak, 0) + 1 >= policy.good:
        return State(since=now)
    if state.standing == Standing.OPEN and (is_proven or streak < 0 or state.is_over(now)):
        return replace(state, standing=Standing.PROBATION, since=now, until=None, trial_at=None)
    return None


def _after_bad(state: State, streak: int, policy: CheckPolicy, error: str, now: datetime) -> State | None:
    trial_at = now + policy.patience
    if state.standing == Standing.PROBATION:
        return replace(state, standing=Standing.OPEN, error=error, since=now, until=now, trial_at=trial_at)
    is_enough = -min(streak, 0) + 1 >= policy.bad
    if is_enough and not (state.is_open and state.reason == "check"):
        until = state.until if state.is_open else now
        times = max(state.times, 1)
        return State(
            standing=Standing.OPEN, reason="check", error=error, since=now, until=until, trial_at=trial_at, times=times
        )
    if state.is_open and (state.trial_at is None or state.trial_at < now + policy.patience / 2):
        return replace(state, trial_at=trial_at)
    return None


def accepts(statuses: str, status: int) -> bool:
    """Whether a status is among those that are good, such as "200-299,401"."""
    return any(first <= status <= last for first, last in _ranges(statuses))


def _ranges(statuses: str) -> Iterator[tuple[int, int]]:
    for part in statuses.split(","):
        first, dash, last = part.strip().partition("-")
        if first.strip().isdigit() and (not dash or last.strip().isdigit()):
            yield int(first), int(last) if dash else int(first)
