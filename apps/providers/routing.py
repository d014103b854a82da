"""Routing: the order in which the deployments of a model are tried. Pure."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol, TypeVar

from apps.providers.catalogue import Route, Secret, Target


class Weighted(Protocol):
    @property
    def weight(self) -> int: ...


W = TypeVar("W", bound=Weighted)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A deployment and the credential to call it with; None if the provider has or needs none."""

    target: Target
    secret: Secret | None


def plan(route: Route, *, rng: random.Random) -> list[Candidate]:
    """All candidates in the order to try: by priority, and at random by weight within a priority.

    Credentials of one deployment stay together: another key of the same provider is tried before another deployment.
    """
    order: list[Candidate] = []
    for _, tier in groupby(route.targets, key=lambda target: target.priority):
        for target in _shuffled(list(tier), rng):
            secrets: Sequence[Secret | None] = _shuffled(target.secrets, rng) or [None]
            order.extend(Candidate(target, secret) for secret in secrets)
    return order


def _shuffled(items: Sequence[W], rng: random.Random) -> list[W]:
    """A weighted random order: heavier items tend to come first, in proportion to their weights."""
    if len(items) < 2:
        return list(items)
    # Sorting by exponential waiting times with these rates is weighted sampling without replacement.
    return sorted(items, key=lambda item: rng.expovariate(item.weight))
