"""How long a provider wants to be left alone."""

from datetime import UTC, datetime

import pytest

from apps.providers.failures import retry_after_of

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)

FORMS = [
    ({"retry-after": "37"}, 37),
    ({"retry-after": " 1.5 "}, 1.5),
    ({"retry-after": "1m30s"}, 90),
    ({"retry-after": "Mon, 30 Nov 2026 12:00:20 GMT"}, 20),
    ({"retry-after": "Monday, 30-Nov-26 12:00:20 GMT"}, 20),
    ({"retry-after": "Mon Nov 30 12:00:20 2026"}, 20),
    ({"retry-after": "2026-11-30T12:00:20Z"}, 20),
    ({"retry-after": "1796040020"}, 20),  # seconds since 1970
    ({"retry-after": "1796040020000"}, 20),  # milliseconds since 1970
    ({"retry-after": "315360000"}, 300),  # ten years
    ({"retry-after": "Sat, 30 Nov 2036 12:00:00 GMT"}, 300),
    ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
    ({"retry-after-ms": "0", "retry-after": "2"}, 2),
    ({"x-ratelimit-reset-requests": "1m30s"}, 90),
    ({"x-ratelimit-reset-requests": "6m0s"}, 300),
    ({"x-ratelimit-reset-tokens": "7.66s"}, 7.66),
    ({"x-ratelimit-reset-tokens": "20ms"}, 0.02),
    ({"x-ratelimit-reset": "1796040020000"}, 20),  # OpenRouter
    ({"ratelimit-reset": "12"}, 12),
    ({"ratelimitbysize-reset": "12"}, 12),  # Mistral
    ({"anthropic-ratelimit-tokens-reset": "2026-11-30T12:00:20Z"}, 20),
]
NOTHING = [
    {},
    {"retry-after": ""},
    {"retry-after": "0"},
    {"retry-after": "-5"},
    {"retry-after": "soon"},
    {"retry-after": "1e9"},
    {"retry-after": "NaN"},
    {"retry-after": "9" * 15},  # beyond all dates
    {"retry-after": "9" * 400},
    {"retry-after": "Sun, 29 Nov 2026 12:00:00 GMT"},
    {"retry-after": "Mon, 99 Nov 2026 12:00:00 GMT"},
    {"retry-after-ms": "-1"},
    {"x-ratelimit-reset-requests": "0s"},
    {"x-ratelimit-remaining-requests": "9"},
    {"x-ratelimit-limit-requests": "9"},
]


@pytest.mark.parametrize(("headers", "seconds"), FORMS, ids=str)
def test_every_form_of_a_wait_is_read(headers: dict[str, str], seconds: float) -> None:
    assert retry_after_of(headers, NOW) == pytest.approx(seconds)


@pytest.mark.parametrize("headers", NOTHING, ids=lambda headers: str(headers)[:60])
def test_a_wait_that_is_over_or_makes_no_sense_is_none(headers: dict[str, str]) -> None:
    assert retry_after_of(headers, NOW) is None


def test_the_bound_is_the_caller_s() -> None:
    assert retry_after_of({"retry-after": "37"}, NOW, longest=10) == 10


def test_without_a_clock_an_instant_says_nothing() -> None:
    assert retry_after_of({"retry-after": "Mon, 30 Nov 2026 12:00:20 GMT"}) is None
    assert retry_after_of({"retry-after": "37"}) == 37


RESETS = [
    ({"requests": "1s", "tokens": "60s"}, {"requests": "3", "tokens": "0"}, 60),  # the one that is used up
    ({"requests": "1s", "tokens": "60s"}, {"requests": "0", "tokens": "0"}, 60),
    ({"requests": "1s", "tokens": "60s"}, {"requests": "3", "tokens": "3"}, 1),
    ({"requests": "1s", "tokens": "60s"}, {}, 1),
]


@pytest.mark.parametrize(("resets", "remaining", "seconds"), RESETS)
def test_of_several_limits_the_one_that_is_used_up_counts(
    resets: dict[str, str], remaining: dict[str, str], seconds: float
) -> None:
    headers = {f"x-ratelimit-reset-{name}": value for name, value in resets.items()}
    headers |= {f"x-ratelimit-remaining-{name}": value for name, value in remaining.items()}

    assert retry_after_of(headers, NOW) == seconds


def test_what_the_provider_says_outright_comes_before_its_limits() -> None:
    assert retry_after_of({"retry-after": "2", "x-ratelimit-reset-requests": "60s"}, NOW) == 2
