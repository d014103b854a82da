"""Which reports of usage are believed, and how tokens are estimated without one."""

from typing import Any

import pytest

from apps.chat.accounting.estimates import Ratios
from apps.chat.dialects.openai_chat.usage import read_usage
from apps.quotas.weights import Tokens
from tests.chat.unit.meters import USAGE


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (USAGE, Tokens(input=3, output=2)),
        ({"prompt_tokens": 3}, None),
        ({"prompt_tokens": 3, "total_tokens": 3}, Tokens(input=3)),
        ({"prompt_tokens": 3, "completion_tokens": None, "total_tokens": 5}, Tokens(input=3, output=2)),
        ({"prompt_tokens": 3, "total_tokens": 2}, None),
        ({"prompt_tokens": 3, "total_tokens": "5"}, None),
        ({"prompt_tokens": None, "total_tokens": 5}, None),
        ({**USAGE, "prompt_tokens_details": {"cached_tokens": 2}}, Tokens(input=3, cached_input=2, output=2)),
        ({**USAGE, "prompt_tokens_details": None}, Tokens(input=3, output=2)),
        ({**USAGE, "prompt_tokens_details": {"cached_tokens": None}}, Tokens(input=3, output=2)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, Tokens()),
        (None, None),
        ([], None),
        ({}, None),
        ({"prompt_tokens": "3", "completion_tokens": 2}, None),
        ({"prompt_tokens": 3.5, "completion_tokens": 2}, None),
        ({"prompt_tokens": True, "completion_tokens": 2}, None),
        ({"prompt_tokens": -1, "completion_tokens": 2}, None),
        ({"prompt_tokens": 3, "completion_tokens": -2}, None),
        ({"prompt_tokens": 2**60, "completion_tokens": 2}, None),
        ({**USAGE, "prompt_tokens_details": {"cached_tokens": 4}}, None),
    ],
)
def test_only_sane_usage_is_believed(usage: Any, tokens: Tokens | None) -> None:
    assert read_usage(usage) == tokens


def test_an_estimate_starts_at_a_third_of_the_bytes() -> None:
    assert Ratios().estimate("m", 300) == 101


def test_estimates_come_nearer_to_what_providers_report() -> None:
    ratios = Ratios()

    for _ in range(200):
        ratios.learn("m", size=1000, tokens=250)

    assert 250 <= ratios.estimate("m", 1000) <= 252
    assert ratios.estimate("other", 1000) == 334


@pytest.mark.parametrize("tokens", [0, 10**12])
def test_a_wild_report_moves_an_estimate_only_a_little(tokens: int) -> None:
    ratios = Ratios()

    ratios.learn("m", size=1000, tokens=tokens)

    assert 300 <= ratios.estimate("m", 1000) <= 370


def test_no_provider_makes_text_cheaper_than_the_longest_tokens() -> None:
    ratios = Ratios()

    for _ in range(1000):
        ratios.learn("m", size=1000, tokens=1)

    assert ratios.estimate("m", 8000) >= 1000
