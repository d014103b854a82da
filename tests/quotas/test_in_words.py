"""Amounts as answers, by what calls of the course cost."""

import pytest

from apps.quotas.in_words import UsualCall, in_words, usual_call

TUTOR = UsualCall(charge=94, model="tutor")
SPACE = "\N{NARROW NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (5_655, "about 60 answers of tutor"),
        (120_000, f"about 1{SPACE}200 answers of tutor"),
        (94, "about 1 answer of tutor"),
        (93, "less than an answer of tutor"),
        (-5, "less than an answer of tutor"),
        (None, ""),
    ],
)
def test_an_amount_is_told_as_answers(tokens: int | None, words: str) -> None:
    assert in_words(tokens, TUTOR) == words


def test_a_usual_call_is_the_median_of_the_model_that_is_asked_most() -> None:
    calls = [("large", 9_000), ("tutor", 10), ("tutor", 90), ("tutor", 0), ("tutor", 5_000)]

    assert usual_call(calls) == UsualCall(charge=90, model="tutor")


def test_without_a_charge_nothing_is_said() -> None:
    assert usual_call([("tutor", 0)]) is None
    assert in_words(100, None) == ""
