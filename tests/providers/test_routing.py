"""In which order the deployments of a model are tried."""

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.providers.adapters.protocol import Reason, UpstreamRefused
from apps.providers.catalogue import Route, Secret, Target
from apps.providers.health.memory import Health
from apps.providers.routing import Candidate, plan, wait

DRAWS = 4000
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def a_secret(label: str, *, id: int = 1, weight: int = 1) -> Secret:
    return Secret(id=id, label=label, text=f"secret of {label}", weight=weight)


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


def planned(*targets: Target, seed: int = 1, health: Health | None = None, now: datetime = NOW) -> list[Candidate]:
    """The plan for targets that stand, as in the catalogue, in the order of their priority."""
    return plan(a_route(*targets), health or Health(), now, random.Random(seed))


def a_route(*targets: Target) -> Route:
    return Route(
        name="m",
        created=0,
        input_weight=1,
        cached_input_weight=1,
        output_weight=1,
        context_window=None,
        max_output_tokens=1,
        targets=targets,
    )


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
            deployment_id=number,
            secrets=tuple(a_secret(str(label), id=label) for label in range(credentials)),
        )
        for number, (priority, weight, credentials) in enumerate(sorted(spread))
    ]

    candidates = planned(*targets, seed=seed)

    expected = [(t.provider, s.label if s else None) for t in targets for s in (t.secrets or (None,))]
    assert Counter((c.target.provider, c.secret.label if c.secret else None) for c in candidates) == Counter(expected)
    assert [c.target.priority for c in candidates] == sorted(c.target.priority for c in candidates)


# What has failed


def failing(health: Health, candidate: Candidate, reason: Reason, *, times: int = 5, **fields: Any) -> None:
    for _ in range(times):
        health.failed(candidate, UpstreamRefused(reason, detail="", **fields), now=NOW)


def two() -> tuple[Target, Target]:
    """Targets one behind the other, with a credential each."""
    first = a_target("a", deployment_id=1, secrets=(a_secret("of a", id=1),))
    return first, a_target("b", deployment_id=2, priority=1, secrets=(a_secret("of b", id=2),))


def test_an_open_deployment_is_left_out() -> None:
    health = Health()
    failing(health, planned(*two())[0], "unreachable")

    assert names(planned(*two(), health=health)) == ["b"]


def test_the_only_deployment_is_tried_even_if_it_is_open() -> None:
    health = Health()
    failing(health, planned(two()[0])[0], "unreachable")

    assert names(planned(two()[0], health=health)) == ["a"]


def test_when_all_are_open_those_that_answer_quickly_come_first() -> None:
    health = Health()
    hangs, refuses = planned(*two())
    failing(health, hangs, "too_slow")
    failing(health, refuses, "unreachable")

    assert {tuple(names(planned(*two(), health=health, seed=seed))) for seed in range(20)} == {("b", "a")}


def test_a_credential_that_cools_down_is_left_out_until_it_may_be_used_again() -> None:
    health = Health()
    failing(health, planned(*two())[0], "rate", times=1)

    assert names(planned(*two(), health=health)) == ["b"]
    assert names(planned(*two(), health=health, now=NOW + timedelta(seconds=11))) == ["a", "b"]


def test_another_credential_of_the_deployment_takes_over() -> None:
    health, target = Health(), a_target("a", secrets=(a_secret("one", id=1), a_secret("two", id=2)))
    first = planned(target)[0]
    failing(health, first, "credential", times=1)

    [other] = planned(target, health=health)

    assert other.secret != first.secret


def test_nobody_who_cools_down_is_asked_before_the_time() -> None:
    health = Health()
    for candidate in planned(*two()):
        failing(health, candidate, "rate", times=1)

    assert planned(*two(), health=health) == []
    assert wait(a_route(*two()), health, NOW) == pytest.approx(10.5, abs=0.5)
    assert wait(a_route(*two()), health, NOW + timedelta(seconds=11)) is None


def test_when_all_credentials_are_out_one_is_tried_nevertheless() -> None:
    health = Health()
    for candidate in planned(*two()):
        failing(health, candidate, "billing", times=1)

    assert names(planned(*two(), health=health)) == ["a"]


def test_a_credential_that_is_out_is_no_alternative_to_waiting() -> None:
    health = Health()
    out, cooling = planned(*two())
    failing(health, out, "credential", times=1)
    failing(health, cooling, "rate", times=1)

    assert planned(*two(), health=health) == []


# What the operator forces


@pytest.mark.parametrize("force", ["open", "drain"])
def test_nobody_is_sent_where_the_operator_wants_nobody(force: str) -> None:
    first, second = two()

    assert names(planned(replace(first, force=force), second)) == ["b"]
    assert planned(replace(first, force=force)) == []


def test_a_deployment_that_the_operator_keeps_closed_is_tried_whatever_failed() -> None:
    health, target = Health(), replace(two()[0], force="closed")
    failing(health, planned(target)[0], "unreachable", times=50)

    assert names(planned(target, two()[1], health=health)) == ["a", "b"]


# Load


def busy(health: Health, target: Target, calls: int) -> None:
    for _ in range(calls):
        health.began(Candidate(target, None))


def test_of_two_equals_the_one_with_fewer_calls_comes_first() -> None:
    health = Health()
    one, two = a_target("a", deployment_id=1), a_target("b", deployment_id=2)
    busy(health, one, 2)
    busy(health, two, 1)

    assert {names(planned(one, two, seed=seed, health=health))[0] for seed in range(50)} == {"b"}


def test_the_busiest_of_many_equals_never_comes_first() -> None:
    health = Health()
    targets = [a_target(name, deployment_id=number) for number, name in enumerate("abcd")]
    busy(health, targets[0], 1)

    firsts = Counter(names(planned(*targets, seed=seed, health=health))[0] for seed in range(400))

    assert set(firsts) == {"b", "c", "d"}


def test_weights_count_for_more_than_the_load() -> None:
    health = Health()
    light, heavy = a_target("a", deployment_id=1, weight=1), a_target("b", deployment_id=2, weight=9)
    busy(health, heavy, 5)

    firsts = Counter(names(planned(light, heavy, seed=seed, health=health))[0] for seed in range(400))

    assert firsts["b"] > firsts["a"]
