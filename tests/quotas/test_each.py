"""What the counts of a request to a service mean: the rate of each limit, and refusals."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.common.errors import RateLimited
from apps.quotas.rate_limits.each import judge_each
from apps.quotas.rate_limits.limits import SECOND, WINDOW, Count, Rate, Scope

NOW = 1000 * SECOND
KEY = Scope("key", "7:3", "requests", 60, policy="key")
BURST = Scope("key", "7:3:burst", "requests", 5, window=SECOND, policy="key-burst")
ROUTE = Scope("route", "7::/x", "requests", 1, policy="route-1")


def refusal(*standing: tuple[Scope, Count]) -> RateLimited:
    scopes, counts = zip(*standing, strict=True)
    with pytest.raises(RateLimited) as caught:
        judge_each(scopes, counts, now=NOW)
    return caught.value


def test_each_limit_has_a_rate() -> None:
    rates = judge_each([KEY, BURST], [Count(10, 0, NOW, 0), Count(4, 0, NOW, 0)], now=NOW)

    assert rates == [Rate("requests", 60, 49, WINDOW), Rate("requests", 5, 0, SECOND)]


@pytest.mark.parametrize(
    ("scope", "sentence", "who"),
    [
        (KEY, "This API key may make 60 requests a minute to this service. Wait 12 seconds and repeat.", "you"),
        (BURST, "This API key may make 5 requests a second to this service. Wait 1 second and repeat.", "you"),
        (
            Scope("student", "7:5", "requests", 60, policy="user"),
            "You may make 60 requests a minute to this service, with all your keys. Wait 12 seconds and repeat.",
            "you",
        ),
        (
            Scope("address", "7:192.0.2.1", "requests", 1, policy="address"),
            "Without a key, 1 request a minute may be made from your address. Wait 12 seconds and repeat.",
            "you",
        ),
        (
            ROUTE,
            "This part of the service takes 1 request a minute, of all callers together, and they have been made. "
            "Wait 12 seconds and repeat.",
            "operator",
        ),
    ],
    ids=lambda value: value.policy if isinstance(value, Scope) else None,
)
def test_a_refusal_says_whose_limit_it_was(scope: Scope, sentence: str, who: str) -> None:
    due = NOW + 12 * SECOND - WINDOW if scope.window == WINDOW else NOW - SECOND // 2
    refused = refusal((scope, Count(scope.told_limit, due, NOW, 0)))

    assert (refused.message, refused.who) == (sentence, who)
    assert refused.details == {"scope": scope.kind, "limit": scope.per_minute}


def test_all_that_refuse_are_named_and_the_longest_is_told() -> None:
    refused = refusal(
        (KEY, Count(60, NOW - 20 * SECOND, NOW, 0)), (BURST, Count(5, NOW - 1, NOW, 0)), (ROUTE, Count(0, 0, 0, 0))
    )

    assert refused.headers["ratelimit"] == '"key";r=0;t=40, "key-burst";r=0;t=1'
    assert refused.headers["ratelimit-policy"] == '"key";q=60;w=60, "key-burst";q=5;w=1, "route-1";q=1;w=60'
    assert refused.headers["retry-after"] == "40"


@given(st.lists(st.tuples(st.sampled_from([KEY, BURST, ROUTE]), st.integers(1, WINDOW)), min_size=1, max_size=4))
def test_retry_after_is_never_before_the_end_of_a_limit_that_is_named(full: list[tuple[Scope, int]]) -> None:
    standing = [
        (scope, Count(scope.told_limit, NOW - scope.window + min(wait, scope.window), NOW, 0)) for scope, wait in full
    ]
    headers = refusal(*standing).headers

    assert int(headers["retry-after"]) >= max(map(int, re.findall(r"t=(\d+)", headers["ratelimit"]))) >= 1


@pytest.mark.parametrize(("processes", "left"), [(1, 59), (2, 29), (4, 14), (100, 0)])
def test_a_process_admits_its_part_and_tells_the_whole_limit(processes: int, left: int) -> None:
    (rate,) = judge_each([KEY.shared_by(processes)], [Count(0, 0, 0, 0)], now=NOW)

    assert (rate.limit, rate.remaining) == (60, left)
