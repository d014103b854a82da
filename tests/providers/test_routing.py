"""In which order the deployments of a model are tried."""

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.providers.catalogue import Route, Secret, Target
from apps.providers.routing import Candidate, plan

DRAWS = 4000


def a_secret(label: str, *, weight: int = 1) -> Secret:
    return Secret(id=1, label=label, text=f"secret of {label}", weight=weight)


def a_target(name: str, **overrides: Any) -> Target:
    values = {
        "deployment_id": 1,
        "provider": name,
        "adapter": "openai",
        "base_url": "http://127.0.0.1:9/v1",
        "upstream_model": "m",
        "priority": 0,
        "weight": 1,
        "first_byte_timeout": 1.0,
        "plain_timeout": 1.0,
        "stall_timeout": 1.0,
        "total_timeout": 1.0,
        "allow_private": False,
        "output_cap": "max_tokens",
        "secrets": (a_secret("main"),),
    }
    return Target(**{**values, **overrides})


def planned(*targets: Target, seed: int = 1) -> list[Candidate]:
    """The plan for targets that stand, as in the catalogue, in the order of their priority."""
    route = Route(
        name="m",
        created=0,
        input_weight=1,
        cached_input_weight=1,
        output_weight=1,
        context_window=None,
        max_output_tokens=1,
        targets=targets,
    )
    return plan(route, rng=random.Random(seed))


def names(candidates: list[Candidate]) -> list[str]:
    return [candidate.target.provider for candidate in candidates]


def shares(*targets: Target) -> dict[str, float]:
    """How often each provider comes first."""
    firsts = Counter(names(planned(*targets, seed=seed))[0] for seed in range(DRAWS))
    return {target.provider: firsts[target.provider] / DRAWS for target in targets}


def test_a_model_without_deployments_has_no_candidates() -> None:
    assert planned() == []


def test_priority_decides_whatever_the_weights() -> None:
    first, second, third = (
        a_target("a", priority=0, weight=1),
        a_target("b", priority=1, weight=1_000_000),
        a_target("c", priority=7, weight=1),
    )

    assert all(names(planned(first, second, third, seed=seed)) == ["a", "b", "c"] for seed in range(100))


@pytest.mark.parametrize("weights", [(1, 1), (1, 3), (1, 2, 7), (90, 10), (1, 1, 1, 1)])
def test_equals_in_priority_come_first_by_their_weights(weights: tuple[int, ...]) -> None:
    found = shares(*(a_target(f"p{n}", weight=weight) for n, weight in enumerate(weights)))

    for n, weight in enumerate(weights):
        assert found[f"p{n}"] == pytest.approx(weight / sum(weights), abs=0.03)


def test_the_second_place_is_drawn_by_weight_too() -> None:
    targets = [a_target("a", weight=6), a_target("b", weight=3), a_target("c", weight=1)]

    orders = [names(planned(*targets, seed=seed)) for seed in range(DRAWS)]

    behind_a = [order[1] for order in orders if order[0] == "a"]
    assert behind_a.count("b") / len(behind_a) == pytest.approx(3 / 4, abs=0.03)


def test_the_order_depends_on_the_random_numbers_alone() -> None:
    targets = [a_target(name) for name in "abcdef"]

    assert names(planned(*targets, seed=5)) == names(planned(*targets, seed=5))


# Credentials


def test_the_credentials_of_a_deployment_follow_each_other() -> None:
    both = (a_secret("one"), a_secret("two"))

    candidates = planned(a_target("a", secrets=both), a_target("b", priority=1, secrets=both))

    assert names(candidates) == ["a", "a", "b", "b"]
    assert {candidate.secret.label for candidate in candidates[:2] if candidate.secret} == {"one", "two"}


def test_credentials_come_first_by_their_weights() -> None:
    target = a_target("a", secrets=(a_secret("one", weight=1), a_secret("two", weight=4)))

    firsts = [planned(target, seed=seed)[0].secret for seed in range(DRAWS)]

    assert sum(secret is not None and secret.label == "two" for secret in firsts) / DRAWS == pytest.approx(
        0.8, abs=0.03
    )


def test_a_provider_without_credentials_is_called_without_one() -> None:
    assert [candidate.secret for candidate in planned(a_target("a", secrets=()))] == [None]


@given(
    spread=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9), st.integers(0, 3)), max_size=6),
    seed=st.integers(),
)
def test_every_deployment_and_credential_is_tried_exactly_once(spread: list[tuple[int, int, int]], seed: int) -> None:
    targets = [
        a_target(
            f"p{number}",
            priority=priority,
            weight=weight,
            secrets=tuple(a_secret(str(label)) for label in range(credentials)),
        )
        for number, (priority, weight, credentials) in enumerate(sorted(spread))
    ]

    candidates = planned(*targets, seed=seed)

    expected = [(t.provider, s.label if s else None) for t in targets for s in (t.secrets or (None,))]
    assert Counter((c.target.provider, c.secret.label if c.secret else None) for c in candidates) == Counter(expected)
    assert [c.target.priority for c in candidates] == sorted(c.target.priority for c in candidates)
