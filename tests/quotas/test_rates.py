"""What counts mean: rates, waits and the sentences of refusals. Counting itself is under a contract of its own."""

import pytest

from apps.common.errors import RateLimited
from apps.quotas.rate_limits.requests import SECOND, Count, Rate, Scope, duration, judge

NOW = 1000 * SECOND
NOTHING = Count(0, 0, 0, 0)
FULL = Count(used=3, due=NOW - 48 * SECOND, newest=NOW - 10 * SECOND, open=0)
BUSY = Count(used=0, due=0, newest=0, open=2)


def refusal(scope: Scope, count: Count) -> RateLimited:
    with pytest.raises(RateLimited) as caught:
        judge([scope], [count], now=NOW)
    return caught.value


def test_a_refusal_says_how_long_to_wait_and_when_all_is_back() -> None:
    refused = refusal(Scope("student", 1, 3, None), FULL)

    assert refused.headers == {
        "x-ratelimit-limit-requests": "3",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "50s",
        "retry-after": "12",
        "retry-after-ms": "12000",
    }


def test_a_wait_is_rounded_up_to_milliseconds_and_seconds() -> None:
    refused = refusal(Scope("student", 1, 3, None), FULL._replace(due=FULL.due + 1))

    assert (refused.headers["retry-after"], refused.headers["retry-after-ms"]) == ("13", "12001")


def test_too_many_at_once_are_told_to_wait_a_second() -> None:
    refused = refusal(Scope("student", 1, None, 2), BUSY)

    assert refused.headers == {"retry-after": "1", "retry-after-ms": "1000"}


def test_too_many_at_once_learn_what_is_left_of_the_minute() -> None:
    refused = refusal(Scope("student", 1, 10, 2), Count(4, 0, NOW - SECOND, 2))

    assert refused.headers["x-ratelimit-remaining-requests"] == "6"
    assert refused.headers["x-ratelimit-reset-requests"] == "59s"


@pytest.mark.parametrize(
    ("scope", "count", "sentence", "fixed_by"),
    [
        (Scope("key", 1, 3, None), FULL,
         "This API key may make 3 requests a minute. Wait 12 seconds and repeat.", "you"),
        (Scope("student", 1, 3, None), FULL,
         "You may make 3 requests a minute in this course. Wait 12 seconds and repeat.", "you"),
        (Scope("student", 1, 1, None), Count(1, NOW - 59 * SECOND, NOW, 0),
         "You may make 1 request a minute in this course. Wait 1 second and repeat.", "you"),
        (Scope("course", 1, 3, None), FULL,
         "Your course may make 3 requests a minute, all students together, and they have been made. "
         "Wait 12 seconds and repeat; if this happens often, tell your instructor.", "instructor"),
        (Scope("key", 1, None, 2), BUSY,
         "This API key has 2 requests open and may have 2 at once. Wait for one to finish.", "you"),
        (Scope("student", 1, None, 1), BUSY._replace(open=1),
         "You have 1 request open and may have 1 at once in this course. Wait for one to finish.", "you"),
        (Scope("course", 1, None, 2), BUSY,
         "Your course has 2 requests open, all students together, and may have 2 at once. "
         "Wait a moment and repeat; if this happens often, tell your instructor.", "instructor"),
    ],
)  # fmt: skip
def test_a_refusal_says_whose_limit_it_was(scope: Scope, count: Count, sentence: str, fixed_by: str) -> None:
    refused = refusal(scope, count)

    assert (refused.message, refused.who) == (sentence, fixed_by)
    assert refused.details == {"scope": scope.kind, "limit": scope.per_minute or scope.at_once}


def test_of_several_limits_the_one_that_lasts_longest_is_told() -> None:
    scopes = [Scope("student", 1, 3, 2), Scope("course", 1, 3, None)]

    with pytest.raises(RateLimited, match="Your course may make 3") as caught:
        judge(scopes, [FULL._replace(open=2), FULL._replace(due=NOW - SECOND)], now=NOW)

    assert caught.value.headers["retry-after"] == "59"


def test_the_rate_is_that_of_the_limit_with_the_least_left() -> None:
    scopes = [Scope("key", 1, 100, None), Scope("student", 1, None, 5), Scope("course", 1, 50, None)]

    rate = judge(scopes, [Count(10, 0, NOW, 0), NOTHING, Count(45, 0, NOW, 0)], now=NOW)

    assert rate == Rate(50, 4, 60 * SECOND)


def test_without_limits_a_minute_there_is_no_rate() -> None:
    assert judge([Scope("student", 1, None, 5)], [NOTHING], now=NOW) is None


@pytest.mark.parametrize(
    ("limit", "processes", "part"), [(60, 4, 15), (10, 4, 3), (1, 4, 1), (7, 1, 7), (None, 4, None)]
)
def test_a_process_has_its_part_of_a_limit_rounded_up(limit: int | None, processes: int, part: int | None) -> None:
    assert Scope("student", 1, limit, limit).shared_by(processes) == Scope("student", 1, part, part)


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (0, "0s"),
        (1, "1ms"),
        (12_000, "12ms"),
        (250 * 1000, "250ms"),
        (SECOND, "1s"),
        (12_345_600, "12.346s"),
        (60 * SECOND, "1m0s"),
        (90_500_000, "1m30.5s"),
        (26 * 3600 * SECOND + SECOND, "26h0m1s"),
    ],
)
def test_a_duration_is_written_as_openai_writes_it(span: int, text: str) -> None:
    assert duration(span) == text
