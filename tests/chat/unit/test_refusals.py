"""What a student is told when a week is used up, in a table."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from apps.chat.accounting.estimates import Estimate
from apps.chat.accounting.refusals import Refused, refusal_of
from apps.common.errors import GatewayError
from apps.quotas.ledger.movements import Account, Balance, Short
from apps.quotas.limits import LimitSource, OverridePeriod
from apps.quotas.weeks import week_at

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
WEEK = week_at(NOW, timezone="Europe/Helsinki", first_day=0)


def refused(
    kind: str, *, limit: int, used: int, least: int, input: int = 10, granted: int = 0, held: int = 0
) -> Refused:
    account = Account(kind, 1, limit, WEEK)
    estimate = Estimate(input=input, output=64, amount=least, least=least, floor=input)
    return Refused("big", estimate, Short(account, (Balance(account, used, held, granted),)))


def told(refusal: Refused, **source: Any) -> GatewayError:
    return refusal_of(refusal, source=LimitSource(**source), headers={})


RESETS = "It resets on Monday 30 November at 00:00 (Europe/Helsinki)."
USELESS = "so waiting does not help: shorten it"


@pytest.mark.parametrize(
    ("refusal", "message", "who"),
    [
        (
            refused("student", limit=1000, used=950, least=80),
            f"Your own weekly allowance has 50 of 1,000 tokens left and this request needs at least 80. {RESETS} "
            "Wait until then, shorten the request, or ask for more (POST /v1/usage/requests).",
            "instructor",
        ),
        (
            refused("student", limit=1000, used=0, least=1100, input=900),
            f"Your own weekly allowance has 1,000 of 1,000 tokens left and this request needs at least 1,100. {RESETS} "
            f"The request is larger than the whole weekly allowance, {USELESS}, or ask for more "
            "(POST /v1/usage/requests).",
            "instructor",
        ),
        (
            refused("course", limit=70, used=0, least=80),
            "Your course's weekly allowance, which others draw on as well, is short by 10 tokens: this request needs "
            f"at least 80. {RESETS} The request is larger than the whole weekly allowance, {USELESS}, or ask your "
            "instructor for more.",
            "instructor",
        ),
        (
            refused("student", limit=1000, used=0, least=1300, input=1200, granted=50),
            "Your own weekly allowance has 1,050 of 1,050 tokens left (50 granted this week counted in) and this "
            f"request needs at least 1,300. {RESETS} "
            f"The request's input alone is larger than the whole weekly allowance, {USELESS}.",
            "instructor",
        ),
        (
            refused("course", limit=5000, used=4930, least=80),
            "Your course's weekly allowance, which others draw on as well, is short by 10 tokens: this request needs "
            f"at least 80. {RESETS} Wait until then, shorten the request, or ask your instructor for more.",
            "instructor",
        ),
        (
            refused("institution", limit=5000, used=6000, least=80),
            "The institution's weekly allowance, which others draw on as well, is short by 80 tokens: this request "
            f"needs at least 80. {RESETS} Wait until then, shorten the request, or ask the operator.",
            "operator",
        ),
    ],
)
def test_a_refusal_says_what_is_short_and_who_can_help(refusal: Refused, message: str, who: str) -> None:
    error = told(refusal)

    assert (error.message, error.who) == (message, who)


def test_an_override_is_named_as_the_reason_of_the_limit() -> None:
    period = OverridePeriod(weekly_tokens=1000, starts_at=NOW)

    error = told(refused("student", limit=1000, used=950, least=80), override=period)

    assert "50 of 1,000 tokens left (an override of yours counted in) and" in error.message


@pytest.mark.parametrize("kind", ["course", "institution"])
def test_of_what_others_draw_on_there_is_no_figure(kind: str) -> None:
    error = told(refused(kind, limit=123_456, used=123_400, least=80))

    assert error.details == {
        "account": kind,
        "needed": 80,
        "short_by": 24,
        "resets_at": "2026-11-29T22:00:00Z",
    }
    assert "123" not in error.message


IN_USE = [
    (
        refused("student", limit=1000, used=0, held=956, least=213),
        "Your own weekly allowance has 44 of 1,000 tokens left and this request needs at least 213. "
        "Your calls in progress hold 956 tokens of it. Ask again when one of them has ended.",
    ),
    (
        refused("student", limit=1000, used=600, held=500, granted=100, least=500),
        "Your own weekly allowance has 0 of 1,100 tokens left (100 granted this week counted in) and this request "
        "needs at least 500. Your calls in progress hold 500 tokens of it. Ask again when one of them has ended.",
    ),
    (
        refused("course", limit=5000, used=100, held=4890, least=80),
        "Your course's weekly allowance, which others draw on as well, is short by 70 tokens: this request needs at "
        "least 80. Calls in progress hold what is missing. Ask again in a moment.",
    ),
    (
        replace(
            refused("student", limit=1000, used=1000, least=80),
            fallback=refused("fallback", limit=500, used=100, held=350, least=60),
        ),
        "Your own weekly allowance has 0 of 1,000 tokens left and this request needs at least 80. The fallback model "
        "'big' cannot answer either: its own allowance has 50 of 500 tokens left and it needs at least 60. "
        "Your calls in progress hold 350 tokens of it. Ask again when one of them has ended.",
    ),
]


@pytest.mark.parametrize(("refusal", "message"), IN_USE)
def test_what_only_calls_in_progress_hold_is_worth_waiting_for(refusal: Refused, message: str) -> None:
    error = told(refusal)

    assert (error.message, error.who, error.code) == (message, "you", "allowance_in_use")
    assert (error.headers["retry-after"], error.headers["retry-after-ms"]) == ("3", "3000")
    assert "x-should-retry" not in error.headers


@pytest.mark.parametrize(
    ("used", "held", "waits"), [(0, 921, True), (920, 1, True), (921, 79, False), (1000, 0, False), (1001, 50, False)]
)
def test_waiting_is_advised_only_where_it_can_help(used: int, held: int, waits: bool) -> None:
    error = told(refused("student", limit=1000, used=used, held=held, least=80))

    assert (error.code == "allowance_in_use") == waits
    assert ("retry-after" in error.headers) == waits


def test_of_what_others_hold_there_is_no_figure() -> None:
    error = told(refused("course", limit=123_456, used=123, held=123_300, least=80))

    assert "123" not in error.message
    assert not {"held", "limit", "remaining"} & error.details.keys()


def test_a_course_without_an_allowance_is_told_as_that_and_not_as_a_used_up_week() -> None:
    error = told(refused("student", limit=0, used=0, least=80), has_policy=False)

    assert str(error) == "Your course has no allowance yet, so it cannot answer. Tell your instructor."
    assert (error.code, error.status, error.fixed_by) == ("insufficient_quota", 429, "instructor")


def test_an_override_in_a_course_without_an_allowance_is_told_as_what_is_left() -> None:
    error = told(refused("student", limit=50, used=50, least=80), has_policy=False)

    assert "0 of 50 tokens left" in str(error)
