"""What is reserved for a call, and the output that a hold pays for."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.chat.accounting import estimates
from apps.chat.accounting.estimates import Estimate
from apps.quotas.weights import Tokens
from tests.chat.unit.values import a_call, a_route


def estimate(**overrides: Any) -> Estimate:
    """Of a call with a prompt of about 100 tokens."""
    route = {key: overrides.pop(key) for key in ("input_weight", "output_weight") if key in overrides}
    call = a_call(
        route=a_route(**route, max_output_tokens=overrides.pop("model_most", 4096)),
        max_output=overrides.pop("max_output", None),
        choices=overrides.pop("choices", 1),
    )
    values = {"input": 100, "default_output": 1000, "least_output": 64, **overrides}
    return Estimate.of(call, **values)


ESTIMATES: list[tuple[dict[str, Any], tuple[int, int, int, int]]] = [
    # what differs -> output, amount, least, floor
    ({}, (1000, 1125, 189, 100)),
    ({"max_output": 10}, (10, 135, 135, 100)),
    ({"max_output": 64}, (64, 189, 189, 100)),
    ({"max_output": 2000}, (2000, 2125, 189, 100)),
    ({"max_output": 9000}, (4096, 4221, 189, 100)),
    ({"default_output": 9000}, (4096, 4221, 189, 100)),
    ({"model_most": 32}, (32, 157, 157, 100)),
    ({"most_output": 500}, (500, 625, 189, 100)),
    ({"most_output": 500, "max_output": 2000}, (500, 625, 189, 100)),
    ({"most_output": 500, "max_output": 10}, (10, 135, 135, 100)),
    ({"most_output": 32}, (32, 157, 157, 100)),
    ({"most_output": 9000, "max_output": 9000}, (4096, 4221, 189, 100)),
    ({"choices": 3}, (1000, 3125, 317, 100)),
    ({"input": 101}, (1000, 1126, 190, 101)),
    ({"input": 1}, (1000, 1001, 65, 1)),
    ({"input_weight": 20_000}, (1000, 1250, 314, 200)),
    ({"output_weight": 40_000}, (1000, 4125, 381, 100)),
    ({"input_weight": 0}, (1000, 1000, 64, 0)),
    ({"output_weight": 0}, (1000, 125, 125, 100)),
    ({"input_weight": 1, "output_weight": 0}, (1000, 1, 1, 1)),
]


@pytest.mark.parametrize(("differs", "expected"), ESTIMATES, ids=[str(differs) for differs, _ in ESTIMATES])
def test_an_estimate(differs: dict[str, Any], expected: tuple[int, int, int, int]) -> None:
    found = estimate(**differs)

    assert (found.output, found.amount, found.least, found.floor) == expected


WITHIN = [
    # amount held, output tokens that weigh so many ten-thousandths, choices -> output of each choice
    (1125, 10_000, 1, 1000),
    (5000, 10_000, 1, 1000),
    (225, 10_000, 1, 100),
    (126, 10_000, 1, 1),
    (125, 10_000, 1, 1),
    (0, 10_000, 1, 1),
    (225, 20_000, 1, 50),
    (225, 20_000, 2, 25),
    (225, 30_000, 1, 33),
    (225, 10_000, 3, 33),
    (0, 0, 1, 1000),
]


@pytest.mark.parametrize(("amount", "weight", "choices", "output"), WITHIN)
def test_the_output_that_a_hold_pays_for(amount: int, weight: int, choices: int, output: int) -> None:
    call = a_call(route=a_route(output_weight=weight), choices=choices)
    found = Estimate.of(call, input=100, default_output=1000, least_output=64)

    assert found.output_within(amount, call) == output


@given(
    likely=st.integers(1, 10**6),
    max_output=st.none() | st.integers(1, 10**5),
    choices=st.integers(1, 8),
    weight=st.integers(0, 10**6),
    share=st.floats(0, 1),
)
def test_a_hold_between_the_least_and_the_whole_pays_for_its_output(
    likely: int, max_output: int | None, choices: int, weight: int, share: float
) -> None:
    call = a_call(route=a_route(output_weight=weight), choices=choices, max_output=max_output)
    found = Estimate.of(call, input=likely, default_output=1000, least_output=64)
    amount = found.least + int((found.amount - found.least) * share)

    output = found.output_within(amount, call)

    cost = estimates.weights_of(call).weigh(Tokens(input=found.input, output=output * choices))
    assert found.floor <= found.least <= found.amount
    assert min(found.output, 64) <= output <= found.output
    assert cost <= amount
