"""Routing: the order in which the deployments of a model are tried. Pure."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

from apps.common.health.states import Standing, State
from apps.providers.catalogue import Route, Secret, Target


class Weighted(Protocol):
    @property
    def weight(self) -> int: ...


W = TypeVar("W", bound=Weighted)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A deployment and the credential to call it with; None if the provider has or needs none.

    `turns` are those of the health that it was planned by, which tells news from what it knew already.
    """

    target: Target
    secret: Secret | None
    turns: tuple[int, int] = field(default=(0, 0), compare=False, repr=False)


class View(Protocol):
    """What is known of the health of deployments and credentials."""

    def admits(self, target: Target, now: datetime) -> bool:
        """Whether a call may go there now."""
        ...

    def accepts(self, secret: Secret, now: datetime) -> bool: ...

    def in_flight(self, target: Target) -> int:
        """How many calls this process has open there."""
        ...

    def deployment(self, target: Target) -> State: ...

    def credential(self, secret: Secret) -> State: ...

    def turns(self, target: Target, secret: Secret | None) -> tuple[int, int]: ...


def plan(route: Route, health: View, now: datetime, rng: random.Random) -> list[Candidate]:
    """The candidates in the order to try: by priority, and at random by weight within a priority.

    Credentials of one deployment stay together: another key of the same provider is tried before another deployment.
    Open deployments and credentials that are out are left out; if nothing else is left, they come in a fixed order,
    those first that are the most likely to answer. What cools down is left out in any case, and so is what an operator
    forces open.
    """
    order = []
    for tier in route.tiers:
        admitted = [target for target in tier if health.admits(target, now)]
        if len(admitted) > 1:
            admitted = _by_load(_shuffled(admitted, rng), health)
        for target in admitted:
            secrets = _accepted(target, health, now)
            order += _candidates(target, _shuffled(secrets, rng) if len(secrets) > 1 else secrets, health)
    return order or _last_resort(route, health, now)


def wait(route: Route, health: View, now: datetime) -> float | None:
    """Seconds until the first of those that cool down may be asked again. None if none does."""
    states = [health.deployment(target) for target in _allowed(route)]
    states += [health.credential(secret) for target in _allowed(route) for secret in target.secrets]
    ends = [state.until for state in states if state.until is not None and state.is_cooling(now)]
    return (min(ends) - now).total_seconds() if ends else None


def _allowed(route: Route) -> list[Target]:
    return [target for tier in route.tiers for target in tier]


def _by_load(order: list[Target], health: View) -> list[Target]:
    """Of the first two, if they are equals, the one with fewer calls in flight: two choices spread the load well."""
    if order[0].weight == order[1].weight and health.in_flight(order[1]) < health.in_flight(order[0]):
        return [order[1], order[0], *order[2:]]
    return order


def _accepted(target: Target, health: View, now: datetime) -> list[Secret]:
    return [secret for secret in target.secrets if health.accepts(secret, now)]


def _candidates(target: Target, secrets: Sequence[Secret], health: View) -> list[Candidate]:
    if not target.secrets:
        return [Candidate(target, None, health.turns(target, None))]
    return [Candidate(target, secret, health.turns(target, secret)) for secret in secrets]


def _last_resort(route: Route, health: View, now: datetime) -> list[Candidate]:
    """All that are open, or else one whose credentials are all out, unless it is enough to wait a moment."""
    there = [target for target in _allowed(route) if not health.deployment(target).is_cooling(now)]
    order: list[Candidate] = []
    for target in sorted(there, key=lambda target: _badness(target, health.deployment(target))):
        order += _candidates(target, _accepted(target, health, now), health)
    if order or wait(route, health, now) is not None:
        return order
    return [candidate for target in there for candidate in _candidates(target, target.secrets, health)][:1]


def _badness(target: Target, state: State) -> tuple[int, int, int, int]:
    """Those that answer quickly, if only with an error, come before those that let a student wait in vain."""
    kinds = ("too_slow", "missing")
    kind = kinds.index(state.reason) + 1 if state.standing == Standing.OPEN and state.reason in kinds else 0
    return kind, state.times, target.priority, target.deployment_id


def _shuffled(items: Sequence[W], rng: random.Random) -> list[W]:
    """A weighted random order: heavier items tend to come first, in proportion to their weights."""
    # Sorting by exponential waiting times with these rates is weighted sampling without replacement.
    return sorted(items, key=lambda item: rng.expovariate(item.weight))
