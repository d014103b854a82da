"""What an answer costs, however it ended."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.chat.accounting.charges import ABSURD, FREE, Charge, Ending, Seen, charge, so_far
from apps.chat.dialects.reports import LONGEST_TOKEN
from apps.quotas.weights import Tokens, Weights

PLAIN = Weights()
DEAR_OUTPUT = Weights(output=30_000)
ENDINGS: list[Ending] = ["answered", "left", "failed"]


def seen(ending: Ending, **overrides: Any) -> Seen:
    """An answer to a prompt of about 100 tokens, of which about 10 had been relayed."""
    values = {"was_sent": True, "reported": None, "input_estimate": 100, "relayed_estimate": 10, "held": 1000}
    return Seen(ending=ending, **{**values, **overrides})


REPORT = Tokens(input=80, output=20)  # 100: less than the estimate of 110
LARGE = Tokens(input=90, cached_input=50, output=60)  # 150: more than it
CHARGES: list[tuple[Ending, Tokens | None, int, Charge]] = [
    # ending, reported, relayed estimate -> charge
    ("answered", REPORT, 10, Charge(REPORT, 100)),
    ("answered", LARGE, 10, Charge(LARGE, 150)),
    ("answered", REPORT, 0, Charge(REPORT, 100)),
    ("answered", None, 10, Charge(Tokens(input=100, output=10), 110, is_estimated=True)),
    ("answered", None, 0, Charge(Tokens(input=100), 100, is_estimated=True)),
    ("answered", Tokens(), 10, Charge(Tokens(input=100, output=10), 110, is_estimated=True)),
    ("answered", Tokens(), 0, Charge(Tokens(input=100), 100, is_estimated=True)),
    ("answered", Tokens(output=50), 10, Charge(Tokens(input=100, output=50), 150, is_estimated=True)),
    ("answered", Tokens(input=80), 10, Charge(Tokens(input=80, output=10), 90, is_estimated=True)),
    ("answered", Tokens(input=80), 0, Charge(Tokens(input=80), 80)),
    ("left", Tokens(output=50), 10, Charge(Tokens(input=100, output=50), 150, is_estimated=True)),
    ("left", REPORT, 10, Charge(Tokens(input=100, output=10), 110, is_estimated=True)),
    ("left", LARGE, 10, Charge(LARGE, 150)),
    ("left", Tokens(input=100, output=10), 10, Charge(Tokens(input=100, output=10), 110)),
    ("left", Tokens(), 10, Charge(Tokens(input=100, output=10), 110, is_estimated=True)),
    ("left", None, 10, Charge(Tokens(input=100, output=10), 110, is_estimated=True)),
    ("left", None, 0, Charge(Tokens(input=100), 100, is_estimated=True)),
    ("failed", None, 0, FREE),
    ("failed", REPORT, 0, FREE),
    ("failed", LARGE, 0, FREE),
    ("failed", None, 10, Charge(Tokens(input=100, output=10), 110, is_estimated=True)),
    ("failed", REPORT, 10, Charge(Tokens(input=100, output=10), 110, is_estimated=True)),
    ("failed", LARGE, 10, Charge(Tokens(input=100, output=10), 110, is_estimated=True)),
]


@pytest.mark.parametrize(("ending", "reported", "relayed", "expected"), CHARGES)
def test_the_charge(ending: Ending, reported: Tokens | None, relayed: int, expected: Charge) -> None:
    """Of text of which a token has four bytes."""
    answer = seen(ending, reported=reported, relayed_estimate=relayed, text_bytes=4 * relayed)

    assert charge(answer, PLAIN) == expected


EARLY: list[tuple[Tokens | None, Charge]] = [
    (REPORT, Charge(Tokens(input=100, output=10), 110, is_estimated=True)),
    (LARGE, Charge(LARGE, 150)),
    (Tokens(), Charge(Tokens(input=100, output=10), 110, is_estimated=True)),
    (None, Charge(Tokens(input=100, output=10), 110, is_estimated=True)),
]


@pytest.mark.parametrize(("reported", "expected"), EARLY)
def test_text_that_came_after_the_last_report_is_not_free(reported: Tokens | None, expected: Charge) -> None:
    assert charge(seen("answered", reported=reported, is_final=False), PLAIN) == expected


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("reported", [None, LARGE])
@pytest.mark.parametrize("relayed", [0, 10])
def test_what_was_never_sent_is_free(ending: Ending, reported: Tokens | None, relayed: int) -> None:
    unsent = seen(ending, was_sent=False, reported=reported, relayed_estimate=relayed)

    assert charge(unsent, PLAIN) == FREE


def test_the_larger_is_found_by_weight_not_by_count() -> None:
    many_cheap, few_dear = Tokens(input=110, output=5), Tokens(input=100, output=10)

    assert charge(seen("left", reported=many_cheap), DEAR_OUTPUT).tokens == few_dear


def test_what_the_provider_read_from_its_cache_is_charged_at_its_own_weight() -> None:
    weights = Weights(cached_input=1_000)

    assert charge(seen("answered", reported=LARGE), weights).amount == 40 + 5 + 60


# Reports that cannot be true


@pytest.mark.parametrize(("output", "charged"), [(0, 330), (5, 330), (6, 86), (250, 330)])
def test_no_text_has_fewer_tokens_than_the_longest_would_be(output: int, charged: int) -> None:
    answer = seen("answered", reported=Tokens(input=80, output=output), relayed_estimate=250, text_bytes=740)

    assert charge(answer, PLAIN).amount == charged


@given(
    reported=st.builds(Tokens, input=st.integers(0, 500), cached_input=st.just(0), output=st.integers(0, 500)),
    text_bytes=st.integers(0, 5_000),
    is_final=st.booleans(),
    ending=st.sampled_from(["answered", "left", "blocked"]),
)
def test_no_report_makes_prompt_or_text_free(reported: Tokens, text_bytes: int, is_final: bool, ending: Ending) -> None:
    estimate = text_bytes // 3 + 1 if text_bytes else 0
    answer = seen(ending, reported=reported, relayed_estimate=estimate, text_bytes=text_bytes, is_final=is_final)

    cost = charge(answer, PLAIN)

    assert cost.tokens.input > 0
    assert cost.tokens.output * LONGEST_TOKEN >= text_bytes or (not is_final and cost.amount >= 100 + estimate)
    assert cost.amount >= min(reported.input + reported.output, ABSURD * 1000)


@given(
    reported=st.none()
    | st.builds(Tokens, input=st.integers(0, 500), cached_input=st.just(0), output=st.integers(0, 500)),
    text_bytes=st.integers(0, 5_000),
    is_final=st.booleans(),
)
def test_a_process_that_dies_charges_no_less_than_an_answer(
    reported: Tokens | None, text_bytes: int, is_final: bool
) -> None:
    known: dict[str, Any] = {"reported": reported, "is_final": is_final and reported is not None}
    known |= {"input_estimate": 100, "relayed_estimate": text_bytes // 3 + 1, "text_bytes": text_bytes}

    assert (
        so_far(**known, weights=PLAIN)
        >= charge(Seen(ending="answered", was_sent=True, held=10**6, **known), PLAIN).amount
    )


# Bounds


@pytest.mark.parametrize(("output", "amount", "is_estimated"), [(3900, 4000, False), (3901, 4000, True)])
def test_more_than_a_few_times_the_hold_is_not_believed(output: int, amount: int, is_estimated: bool) -> None:
    reported = Tokens(input=100, output=output)

    cost = charge(seen("answered", reported=reported), PLAIN)

    assert (cost.amount, cost.is_estimated) == (amount, is_estimated)


@given(
    ending=st.sampled_from(ENDINGS),
    was_sent=st.booleans(),
    reported=st.none()
    | st.builds(Tokens, input=st.integers(0, 2**40), cached_input=st.just(0), output=st.integers(0, 2**40)),
    input_estimate=st.integers(1, 10**6),
    relayed_estimate=st.integers(0, 10**6),
    held=st.integers(0, 10**6),
)
def test_no_charge_is_negative_or_beyond_the_bound(
    ending: Ending, was_sent: bool, reported: Tokens | None, input_estimate: int, relayed_estimate: int, held: int
) -> None:
    cost = charge(
        Seen(
            ending=ending,
            was_sent=was_sent,
            reported=reported,
            input_estimate=input_estimate,
            relayed_estimate=relayed_estimate,
            held=held,
        ),
        DEAR_OUTPUT,
    )

    assert 0 <= cost.amount <= ABSURD * held
    assert not cost.is_free or cost.amount == 0


@given(
    reported=st.none()
    | st.builds(Tokens, input=st.integers(0, 500), cached_input=st.just(0), output=st.integers(0, 500))
)
def test_who_leaves_never_pays_less_than_for_what_was_relayed(reported: Tokens | None) -> None:
    assert charge(seen("left", reported=reported), PLAIN).amount >= 110
