"""What counts mean: rates, waits and the sentences of refusals. Counting itself is under a contract of its own."""

import pytest

from apps.common.errors import RateLimited, TokensLimited
from apps.quotas.rate_limits.judge import judge
from apps.quotas.rate_limits.limits import SECOND, Count, Rate, Scope, duration

NOW = 1000 * SECOND
NOTHING = Count(0, 0, 0, 0)
FULL = Count(used=900, due=NOW - 48 * SECOND, newest=NOW - 10 * SECOND, open=0)
BUSY = Count(used=0, due=0, newest=0, open=2)

ADA = Scope("student", 1, "requests", 900)
KEY, STUDENT, COURSE = (Scope(kind, 1, "tokens", 1000) for kind in ("key", "student", "course"))


def refusal(*standing: tuple[Scope, Count], amount: int = 1) -> RateLimited:
    scopes, counts = zip(*standing, strict=True)
    with pytest.raises(RateLimited) as caught:
        judge(scopes, counts, now=NOW, amount=amount)
    return caught.value


@pytest.mark.parametrize(
    ("scope", "amount", "remaining"), [(ADA, 1, "0"), (STUDENT, 200, "100")], ids=["requests", "tokens"]
)
def test_a_refusal_says_how_long_to_wait_what_is_left_and_when_all_is_back(
    scope: Scope, amount: int, remaining: str
) -> None:
    refused = refusal((scope, FULL), amount=amount)

    assert refused.headers == {
        f"x-ratelimit-limit-{scope.unit}": str(scope.per_minute),
        f"x-ratelimit-remaining-{scope.unit}": remaining,
        f"x-ratelimit-reset-{scope.unit}": "50s",
        "retry-after": "12",
        "retry-after-ms": "12000",
    }


def test_a_wait_is_rounded_up_to_milliseconds_and_seconds() -> None:
    refused = refusal((ADA, FULL._replace(due=FULL.due + 1)))

    assert (refused.headers["retry-after"], refused.headers["retry-after-ms"]) == ("13", "12001")


def test_too_many_at_once_are_told_to_wait_a_second() -> None:
    refused = refusal((Scope("student", 1, "requests", None, 2), BUSY))

    assert refused.headers == {"retry-after": "1", "retry-after-ms": "1000"}


def test_too_many_at_once_learn_what_is_left_of_the_minute() -> None:
    refused = refusal((Scope("student", 1, "requests", 10, 2), Count(4, 0, NOW - SECOND, 2)))

    assert refused.headers["x-ratelimit-remaining-requests"] == "6"
    assert refused.headers["x-ratelimit-reset-requests"] == "59s"


def test_the_limit_with_the_least_left_is_told() -> None:
    refused = refusal((STUDENT, FULL), (COURSE._replace(per_minute=5000), FULL._replace(used=4950)), amount=200)

    assert refused.headers["x-ratelimit-limit-tokens"] == "5000"
    assert refused.headers["x-ratelimit-remaining-tokens"] == "50"


@pytest.mark.parametrize(
    ("scope", "count", "amount", "sentence"),
    [
        (Scope("key", 1, "requests", 900), FULL, 1,
         "This API key may make 900 requests a minute. Wait 12 seconds and repeat."),
        (Scope("student", 1, "requests", 900), FULL, 1,
         "You may make 900 requests a minute in this course. Wait 12 seconds and repeat."),
        (Scope("student", 1, "requests", 1), Count(1, NOW - 59 * SECOND, NOW, 0), 1,
         "You may make 1 request a minute in this course. Wait 1 second and repeat."),
        (Scope("course", 1, "requests", 900), FULL, 1,
         "Your course may make 900 requests a minute, all students together, and they have been made. "
         "Wait 12 seconds and repeat; if this happens often, tell your instructor."),
        (Scope("key", 1, "requests", None, 2), BUSY, 1,
         "This API key has 2 requests open and may have 2 at once. Wait for one to finish."),
        (Scope("student", 1, "requests", None, 1), BUSY._replace(open=1), 1,
         "You have 1 request open and may have 1 at once in this course. Wait for one to finish."),
        (Scope("course", 1, "requests", None, 2), BUSY, 1,
         "Your course has 2 requests open, all students together, and may have 2 at once. "
         "Wait a moment and repeat; if this happens often, tell your instructor."),
        (KEY, FULL, 200,
         "This API key may take 1,000 tokens a minute. 900 are taken, and this request may take 200. "
         "Wait 12 seconds and repeat, or ask for a shorter answer (max_tokens)."),
        (STUDENT, FULL._replace(due=NOW - 59 * SECOND), 200,
         "You may take 1,000 tokens a minute in this course. 900 are taken, and this request may take 200. "
         "Wait 1 second and repeat, or ask for a shorter answer (max_tokens)."),
        (COURSE, FULL, 200,
         "Your course may take 1,000 tokens a minute, all students together. 900 are taken, and this request "
         "may take 200. Wait 12 seconds and repeat; if this happens often, tell your instructor."),
    ],
)  # fmt: skip
def test_a_refusal_says_whose_limit_it_was(scope: Scope, count: Count, amount: int, sentence: str) -> None:
    refused = refusal((scope, count), amount=amount)

    assert (refused.message, refused.who) == (sentence, "instructor" if scope.kind == "course" else "you")
    assert refused.details == {
        "scope": scope.kind,
        "limit": scope.per_minute or scope.at_once,
        **({"needed": amount} if scope.unit == "tokens" else {}),
    }
    assert refused.body(request_id="r")["error"]["type"] == scope.unit


@pytest.mark.parametrize(
    ("scope", "who"), [(KEY, "this API key"), (STUDENT, "you"), (COURSE, "your whole course")], ids=lambda value: value
)
def test_a_call_larger_than_a_whole_limit_is_told_so(scope: Scope, who: str) -> None:
    refused = refusal((Scope("course", 2, "tokens", 10**6), FULL), (scope, FULL), amount=1001)

    assert isinstance(refused, TokensLimited)
    assert refused.message == (
        f"This request may take 1,001 tokens, more than the 1,000 that {who} may take in a whole minute. Shorten it, "
        "or ask for a shorter answer (max_tokens); waiting does not help."
    )
    assert refused.headers == {"x-should-retry": "false"}
    assert refused.who == "you"


def test_a_call_as_large_as_the_limit_fits() -> None:
    assert judge([STUDENT], [NOTHING], amount=1000, now=NOW) == Rate("tokens", 1000, 0, 60 * SECOND)


def test_of_several_limits_the_one_that_lasts_longest_is_told() -> None:
    mine, ours = Scope("student", 1, "requests", 900, 2), Scope("course", 1, "requests", 900)

    refused = refusal((mine, FULL._replace(open=2)), (ours, FULL._replace(due=NOW - SECOND)))

    assert refused.message.startswith("Your course may make 900")
    assert refused.headers["retry-after"] == "59"


def test_the_rate_is_that_of_the_limit_with_the_least_left() -> None:
    scopes = [ADA._replace(per_minute=limit) for limit in (100, None, 50)]

    rate = judge(scopes, [Count(10, 0, NOW, 0), NOTHING, Count(45, 0, NOW, 0)], now=NOW)

    assert rate == Rate("requests", 50, 4, 60 * SECOND)


@pytest.mark.parametrize(("limit", "processes", "part"), [(60, 4, 15), (10, 4, 3), (1, 4, 1), (None, 4, None)])
def test_a_process_has_its_part_of_a_limit_rounded_up(limit: int | None, processes: int, part: int | None) -> None:
    shared = Scope("student", 1, "requests", limit, limit).shared_by(processes)

    assert shared == Scope("student", 1, "requests", part, part)


@pytest.mark.parametrize(("used", "amount", "fits"), [(0, 250, True), (1, 250, False), (0, 900, True), (1, 900, False)])
def test_one_process_of_four_has_its_part_and_takes_a_larger_call_when_it_is_empty(
    used: int, amount: int, fits: bool
) -> None:
    count = Count(used, NOW - SECOND, NOW - SECOND, 0)
    try:
        rate = judge([STUDENT.shared_by(4)], [count], amount=amount, now=NOW)
    except TokensLimited as refused:
        assert not fits
        assert refused.message.startswith("You may take 1,000 tokens a minute")
    else:
        assert fits
        assert rate == Rate("tokens", 1000, 0, 60 * SECOND)


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
