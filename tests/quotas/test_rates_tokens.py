"""What counts of tokens mean: rates, waits, the sentences of refusals, and the part of one process of several."""

import pytest

from apps.common.errors import TokensLimited
from apps.quotas.rate_limits.requests import SECOND
from apps.quotas.rate_limits.tokens import TokenCount, TokenRate, TokenScope, check_size, judge_tokens

NOW = 1000 * SECOND
NOTHING = TokenCount(0, 0, 0)
FULL = TokenCount(used=900, due=NOW - 48 * SECOND, newest=NOW - 10 * SECOND)
KEY, STUDENT, COURSE = (TokenScope(kind, 1, 1000) for kind in ("key", "student", "course"))


def refusal(scope: TokenScope, count: TokenCount, *, amount: int = 200) -> TokensLimited:
    with pytest.raises(TokensLimited) as caught:
        judge_tokens([scope], [count], amount=amount, now=NOW)
    return caught.value


def test_a_refusal_says_how_long_to_wait_what_is_left_and_when_all_is_back() -> None:
    refused = refusal(STUDENT, FULL)

    assert refused.headers == {
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "100",
        "x-ratelimit-reset-tokens": "50s",
        "retry-after": "12",
        "retry-after-ms": "12000",
    }


def test_a_refusal_is_of_the_type_that_clients_know() -> None:
    error = refusal(STUDENT, FULL).body(request_id="r")["error"]

    assert (error["type"], error["code"], error["charged"]) == ("tokens", "rate_limit_exceeded", 0)
    assert (error["scope"], error["limit"], error["needed"]) == ("student", 1000, 200)


@pytest.mark.parametrize(
    ("scope", "sentence", "fixed_by"),
    [
        (KEY, "This API key may take 1,000 tokens a minute. 900 are taken, and this request may take 200. "
         "Wait 12 seconds and repeat, or ask for a shorter answer (max_tokens).", "you"),
        (STUDENT, "You may take 1,000 tokens a minute in this course. 900 are taken, and this request may take 200. "
         "Wait 12 seconds and repeat, or ask for a shorter answer (max_tokens).", "you"),
        (COURSE, "Your course may take 1,000 tokens a minute, all students together. 900 are taken, and this request "
         "may take 200. Wait 12 seconds and repeat; if this happens often, tell your instructor.", "instructor"),
    ],
)  # fmt: skip
def test_a_refusal_says_whose_limit_it_was(scope: TokenScope, sentence: str, fixed_by: str) -> None:
    refused = refusal(scope, FULL)

    assert (refused.message, refused.who) == (sentence, fixed_by)


def test_a_second_is_one_second() -> None:
    assert "Wait 1 second and" in refusal(STUDENT, FULL._replace(due=NOW - 59 * SECOND)).message


@pytest.mark.parametrize(
    ("scope", "who"), [(KEY, "this API key"), (STUDENT, "you"), (COURSE, "your whole course")], ids=lambda value: value
)
def test_a_call_larger_than_a_whole_limit_is_told_so(scope: TokenScope, who: str) -> None:
    with pytest.raises(TokensLimited) as caught:
        check_size([TokenScope("course", 2, 10**6), scope], amount=1001)

    assert caught.value.message == (
        f"This request may take 1,001 tokens, more than the 1,000 that {who} may take in a whole minute. Shorten it, "
        "or ask for a shorter answer (max_tokens); waiting does not help."
    )
    assert caught.value.headers == {"x-should-retry": "false"}
    assert caught.value.who == "you"


def test_a_call_as_large_as_the_limit_fits() -> None:
    check_size([STUDENT], amount=1000)

    assert judge_tokens([STUDENT], [NOTHING], amount=1000, now=NOW) == TokenRate(1000, 0, 60 * SECOND)


def test_of_several_limits_the_one_that_lasts_longest_is_told() -> None:
    with pytest.raises(TokensLimited, match="Your course may take") as caught:
        judge_tokens([STUDENT, COURSE], [FULL, FULL._replace(due=NOW - SECOND)], amount=200, now=NOW)

    assert caught.value.headers["retry-after"] == "59"


def test_the_rate_is_that_of_the_limit_with_the_least_left() -> None:
    scopes = [STUDENT, COURSE._replace(per_minute=5000)]

    rate = judge_tokens(scopes, [FULL, FULL._replace(used=4930)], amount=50, now=NOW)

    assert rate == TokenRate(5000, 20, 60 * SECOND)


@pytest.mark.parametrize(("used", "amount", "fits"), [(0, 250, True), (1, 250, False), (0, 900, True), (1, 900, False)])
def test_one_process_of_four_has_its_part_and_takes_a_larger_call_when_it_is_empty(
    used: int, amount: int, fits: bool
) -> None:
    count = TokenCount(used, NOW - SECOND, NOW - SECOND)
    try:
        judge_tokens([STUDENT], [count], amount=amount, now=NOW, processes=4)
        admitted = True
    except TokensLimited:
        admitted = False

    assert admitted is fits
