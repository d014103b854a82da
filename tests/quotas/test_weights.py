"""What a model's tokens count against an allowance."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.quotas.weights import Tokens, Weights

HALF = Decimal("0.5")
COUNTS = st.integers(0, 10**9)


@pytest.mark.parametrize(
    ("weights", "tokens", "amount"),
    [
        (Weights(), Tokens(), 0),
        (Weights(), Tokens(input=3, output=2), 5),
        (Weights(), Tokens(input=3, cached_input=3), 3),
        (Weights.of(input=Decimal(2), cached_input=HALF, output=Decimal(10)), Tokens(input=100, output=1), 210),
        (Weights.of(input=Decimal(2), cached_input=HALF, output=Decimal(10)), Tokens(input=9, cached_input=4), 12),
        (Weights.of(input=HALF, cached_input=HALF, output=HALF), Tokens(input=1), 1),
        (Weights.of(input=HALF, cached_input=HALF, output=HALF), Tokens(input=1, output=1), 1),
        (Weights.of(input=Decimal("0.0001"), cached_input=Decimal(0), output=Decimal(0)), Tokens(input=1), 1),
        (Weights.of(input=Decimal(0), cached_input=Decimal(0), output=Decimal(0)), Tokens(input=9, output=9), 0),
        (Weights.of(input=Decimal("1.1"), cached_input=HALF, output=HALF), Tokens(input=10), 11),
    ],
)
def test_the_sum_is_weighed_and_rounded_up_once(weights: Weights, tokens: Tokens, amount: int) -> None:
    assert weights.weigh(tokens) == amount


@given(amount=COUNTS, weight=st.integers(1, 10**6))
def test_the_output_that_an_amount_affords_fits_into_it(amount: int, weight: int) -> None:
    weights = Weights(output=weight)

    output = weights.affordable_output(amount)

    assert output is not None
    assert weights.weigh(Tokens(output=output)) <= amount
    assert weights.weigh(Tokens(output=output + 1)) > amount


def test_output_that_weighs_nothing_is_always_affordable() -> None:
    assert Weights(output=0).affordable_output(0) is None


@given(
    one=st.builds(Tokens, input=COUNTS, cached_input=st.just(0), output=COUNTS),
    other=st.builds(Tokens, input=COUNTS, cached_input=st.just(0), output=COUNTS),
    weight=st.integers(0, 10**6),
)
def test_two_calls_never_weigh_less_than_one_that_is_as_long(one: Tokens, other: Tokens, weight: int) -> None:
    weights = Weights(input=weight, output=weight // 3)

    together = weights.weigh(Tokens(input=one.input + other.input, output=one.output + other.output))

    assert together <= weights.weigh(one) + weights.weigh(other) <= together + 1


@given(input=COUNTS, cached=COUNTS, output=COUNTS)
def test_a_weight_of_one_counts_every_token_once(input: int, cached: int, output: int) -> None:
    assert Weights().weigh(Tokens(input=input + cached, cached_input=cached, output=output)) == input + cached + output


@pytest.mark.parametrize("weight", ["0.0001", "0.1", "0.3", "1.1", "2.675", "9999.9999"])
def test_decimal_weights_are_kept_exactly(weight: str) -> None:
    weights = Weights.of(input=Decimal(weight), cached_input=Decimal(0), output=Decimal(0))

    assert weights.weigh(Tokens(input=10_000)) == Decimal(weight) * 10_000
