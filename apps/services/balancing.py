"""Which instance of a service gets a request. Pure, but for the turns that a rotation remembers."""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from apps.common.health.states import Standing, State
from apps.services.registry import Endpoint, Entry

LEAST_SHARE: Final = 0.1  # of its weight, with which an instance that came back begins
# What an instance that is open did last, the least bad first: a quick error costs a caller less than waiting in vain.
_BADNESS: Final = ("error", "broken", "unreachable", "closed", "check", "too_slow")


class InstanceView(Protocol):
    """What is known of the health of instances."""

    def state(self, endpoint: Endpoint) -> State: ...

    def in_flight(self, endpoint: Endpoint) -> int: ...

    def is_on_trial(self, endpoint: Endpoint) -> bool:
        """Whether the one request that tells how an open instance is, is under way."""
        ...


@dataclass(frozen=True, slots=True)
class InstanceShare:
    """An instance among which to choose, with the weight it has now."""

    endpoint: Endpoint
    weight: float
    in_flight: int

    @property
    def load(self) -> float:
        return (self.in_flight + 1) / self.weight


@dataclass(frozen=True, slots=True)
class ChosenInstance:
    """`is_least_bad`: no instance of the service is well."""

    endpoint: Endpoint
    is_least_bad: bool = False


@dataclass(slots=True)
class Rotation:
    """Smooth weighted round robin: of weights 5, 1, 1 comes a a b a c a a, not five in a row."""

    _credits: dict[int, float] = field(default_factory=dict)

    def next(self, shares: Sequence[InstanceShare]) -> Endpoint:
        """Everyone earns its weight; the one who has the most is next, and pays what all have earned."""
        credits = {share.endpoint.id: self._credits.get(share.endpoint.id, 0.0) + share.weight for share in shares}
        chosen = max(shares, key=lambda share: credits[share.endpoint.id]).endpoint
        credits[chosen.id] -= sum(share.weight for share in shares)
        self._credits = credits
        return chosen


def least(shares: Sequence[InstanceShare], rng: random.Random) -> Endpoint:
    """The one with the fewest requests in flight for its weight; of equals, any."""
    lowest = min(share.load for share in shares)
    return rng.choice([share.endpoint for share in shares if share.load == lowest])


def best_of_two(shares: Sequence[InstanceShare], rng: random.Random) -> Endpoint:
    """The less busy one of two that are drawn by weight."""
    drawn = sorted(shares, key=lambda share: rng.expovariate(share.weight))[:2]
    return min(drawn, key=lambda share: share.load).endpoint


def usable(entry: Entry) -> list[Endpoint]:
    """The instances that get requests as far as operators say."""
    return [endpoint for endpoint in entry.endpoints if endpoint.force != "down" and not endpoint.is_draining]


def choose(
    entry: Entry,
    view: InstanceView,
    rotation: Rotation,
    *,
    tried: Collection[int],
    may_be_trial: bool,
    now: datetime,
    rng: random.Random,
) -> ChosenInstance | None:
    """The instance for an attempt of a request, other than those it `tried`. None if there is no other.

    An open instance whose time is over gets one request as a trial, provided that it `may_be_trial`: it can be repeated
    elsewhere. Passive ejection leaves one half of the instances in use, whatever they did. If none is well, the least
    bad one is asked.
    """
    there = usable(entry)
    states = {endpoint.id: view.state(endpoint) for endpoint in there}
    well = _well(there, states, now)
    left = [endpoint for endpoint in there if endpoint.id not in tried]
    if len(well) < len(there):
        out = _least_bad_first([endpoint for endpoint in left if endpoint not in well], states)
        for endpoint in out:
            if _is_due(endpoint, states[endpoint.id], view, now) and (
                may_be_trial or not well or _is_overdue(states[endpoint.id], entry, now)
            ):
                return ChosenInstance(endpoint, is_least_bad=not well)
        if not well:
            return ChosenInstance(out[0], is_least_bad=True) if out else None
        kept = [] if tried else _kept(there, states)
        left = [endpoint for endpoint in left if endpoint in well or endpoint in kept] or out[:1]
    shares = [_share(endpoint, states[endpoint.id], view, entry, now) for endpoint in left]
    return ChosenInstance(_balanced(entry, shares, rotation, rng)) if shares else None


def _balanced(entry: Entry, shares: Sequence[InstanceShare], rotation: Rotation, rng: random.Random) -> Endpoint:
    if len(shares) == 1:
        return shares[0].endpoint
    if entry.balancing == "least":
        return least(shares, rng)
    if entry.balancing == "best_of_two":
        return best_of_two(shares, rng)
    return rotation.next(shares)


def _well(there: Sequence[Endpoint], states: dict[int, State], now: datetime) -> list[Endpoint]:
    """Those that are well; without any, those that only cool down."""
    well = [each for each in there if each.force == "up" or states[each.id].in_effect(now) == Standing.WELL]
    return well or [each for each in there if not states[each.id].is_open]


def _is_due(endpoint: Endpoint, state: State, view: InstanceView, now: datetime) -> bool:
    return state.is_open and state.may_be_tried(now) and not view.is_on_trial(endpoint)


def _is_overdue(state: State, entry: Entry, now: datetime) -> bool:
    """Whether no request that can be repeated has come for so long that another has to be the trial."""
    due = state.until or state.since
    return due is None or (now - due).total_seconds() >= entry.breaker.longest


def _kept(there: Sequence[Endpoint], states: dict[int, State]) -> list[Endpoint]:
    """Open instances that stay in use, since more than half would be out. What a health check found is certain."""
    out = [endpoint for endpoint in there if states[endpoint.id].is_open and endpoint.force != "up"]
    passive = [endpoint for endpoint in out if states[endpoint.id].reason != "check"]
    most_out = max(0, len(there) // 2 - (len(out) - len(passive)))
    return _least_bad_first(passive, states)[: max(0, len(passive) - most_out)]


def _least_bad_first(endpoints: Sequence[Endpoint], states: dict[int, State]) -> list[Endpoint]:
    """What cools down is only busy. Of what is open, _BADNESS tells."""

    def badness(endpoint: Endpoint) -> tuple[bool, int, int, int]:
        state = states[endpoint.id]
        kind = _BADNESS.index(state.reason) if state.reason in _BADNESS else 0
        return state.is_open, kind, state.times, endpoint.id

    return sorted(endpoints, key=badness)


def _share(endpoint: Endpoint, state: State, view: InstanceView, entry: Entry, now: datetime) -> InstanceShare:
    return InstanceShare(endpoint, endpoint.weight * _ramp(state, entry.slow_start, now), view.in_flight(endpoint))


def _ramp(state: State, seconds: float, now: datetime) -> float:
    """Slow start: an instance that came back gets more and more of its share, for its caches are cold."""
    if state.since is None or state.is_open:
        return 1.0
    return min(1.0, max(LEAST_SHARE, (now - state.since).total_seconds() / seconds))
