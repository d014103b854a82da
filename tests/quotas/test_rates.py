"""Requests a minute and requests at once."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.common.errors import RateLimited
from apps.quotas.rates import MAX_KEPT, WINDOW, Rate, RateLimits

STUDENT = 1


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def limits() -> tuple[RateLimits, Clock]:
    clock = Clock()
    return RateLimits(clock), clock


def ask(
    rates: RateLimits, *, per_minute: int | None = None, at_once: int | None = None, student: int = STUDENT
) -> bool:
    """Begin and, if at once is not limited, end a request; False if it was refused."""
    try:
        rates.admit(student, per_minute=per_minute, at_once=at_once)
    except RateLimited:
        return False
    if at_once is None:
        rates.leave(student)
    return True


def test_without_limits_everything_is_admitted() -> None:
    rates, _ = limits()

    assert all(ask(rates) for _ in range(1000))


def test_so_many_a_minute_and_no_more() -> None:
    rates, _ = limits()

    assert [ask(rates, per_minute=3) for _ in range(5)] == [True, True, True, False, False]


def test_students_do_not_share_a_limit() -> None:
    rates, _ = limits()

    assert [ask(rates, per_minute=1, student=student) for student in (1, 2, 1)] == [True, True, False]


def test_the_window_slides_so_that_a_full_minute_does_not_start_a_new_one() -> None:
    rates, clock = limits()
    for _ in range(10):
        ask(rates, per_minute=10)

    clock.now += WINDOW + 6

    assert [ask(rates, per_minute=10) for _ in range(2)] == [True, False]


def test_after_two_minutes_all_is_forgotten() -> None:
    rates, clock = limits()
    for _ in range(3):
        ask(rates, per_minute=3)

    clock.now += 2 * WINDOW

    assert [ask(rates, per_minute=3) for _ in range(4)] == [True, True, True, False]


@given(
    limit=st.integers(1, 20),
    pauses=st.lists(st.floats(0, 45), min_size=1, max_size=60),
)
def test_whoever_waits_as_long_as_told_is_admitted(limit: int, pauses: list[float]) -> None:
    rates, clock = limits()
    for pause in pauses:
        clock.now += pause
        try:
            rates.admit(STUDENT, per_minute=limit, at_once=None)
        except RateLimited as error:
            if "retry-after-ms" in error.headers:
                clock.now += int(error.headers["retry-after-ms"]) / 1000
                rates.admit(STUDENT, per_minute=limit, at_once=None)


def test_a_refused_request_does_not_count() -> None:
    rates, clock = limits()
    for _ in range(50):
        ask(rates, per_minute=2)

    clock.now += 2 * WINDOW

    assert ask(rates, per_minute=2)


def test_the_rate_counts_down() -> None:
    rates, _ = limits()

    admitted = [rates.admit(STUDENT, per_minute=3, at_once=None) for _ in range(3)]

    assert [rate and rate.remaining for rate in admitted] == [2, 1, 0]


def test_so_many_at_once_and_no_more() -> None:
    rates, _ = limits()

    assert [ask(rates, at_once=2) for _ in range(3)] == [True, True, False]


def test_who_leaves_makes_room() -> None:
    rates, _ = limits()
    ask(rates, at_once=1)

    rates.leave(STUDENT)

    assert ask(rates, at_once=1)


def test_leaving_too_often_makes_no_more_room() -> None:
    rates, _ = limits()
    for _ in range(3):
        rates.leave(STUDENT)

    assert [ask(rates, at_once=1) for _ in range(2)] == [True, False]


def test_an_open_request_is_remembered_over_the_minutes() -> None:
    rates, clock = limits()
    ask(rates, at_once=1)

    clock.now += 10 * WINDOW

    assert not ask(rates, at_once=1)


def test_of_very_many_students_those_with_open_requests_are_remembered() -> None:
    rates, _ = limits()
    ask(rates, at_once=1, student=1)
    ask(rates, per_minute=1, student=2)

    for student in range(3, MAX_KEPT + 10):
        rates.admit(student, per_minute=1, at_once=None)
        rates.leave(student)

    assert not ask(rates, at_once=1, student=1)
    assert ask(rates, per_minute=1, student=2)


@given(limit=st.integers(1, 12), pauses=st.lists(st.floats(0, 20), min_size=1, max_size=80))
def test_whoever_comes_earlier_than_told_is_refused(limit: int, pauses: list[float]) -> None:
    rates, clock = limits()
    for pause in pauses:
        clock.now += pause
        try:
            rates.admit(STUDENT, per_minute=limit, at_once=None)
        except RateLimited as error:
            told = int(error.headers.get("retry-after-ms", 0))
            if told > 5:
                clock.now += (told - 5) / 1000
                assert not ask(rates, per_minute=limit)


@given(limit=st.integers(1, 8), pauses=st.lists(st.floats(0, 8), min_size=1, max_size=150))
def test_no_minute_sees_more_than_the_estimate_of_two_windows_allows(limit: int, pauses: list[float]) -> None:
    """The limit in the student's own minutes; across their border at most twice as many."""
    rates, clock = limits()
    admitted = []
    for pause in pauses:
        clock.now += pause
        if ask(rates, per_minute=limit):
            admitted.append(clock.now)

    first = admitted[0]
    own = Counter(int((instant - first) // WINDOW) for instant in admitted)
    assert max(own.values()) <= limit
    assert all(sum(start <= instant < start + WINDOW for instant in admitted) <= 2 * limit for start in admitted)


@pytest.mark.parametrize("limit", [10, 60, 600])
def test_an_even_pace_at_the_limit_is_admitted(limit: int) -> None:
    rates, clock = limits()
    admitted = 0

    for _ in range(limit * 5):
        admitted += ask(rates, per_minute=limit)
        clock.now += WINDOW / limit

    assert admitted >= limit * 5 * 0.9


def test_a_refusal_says_how_long_to_wait_and_what_is_left() -> None:
    rates, clock = limits()
    for _ in range(10):
        ask(rates, per_minute=10)
    clock.now += WINDOW

    with pytest.raises(RateLimited, match="allows 10 requests a minute") as caught:
        rates.admit(STUDENT, per_minute=10, at_once=None)

    assert caught.value.headers == {
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "60s",
        "retry-after": "6",
        "retry-after-ms": "6000",
    }


def test_a_wait_of_more_than_a_minute_is_not_to_be_waited_for() -> None:
    rates, _ = limits()
    for _ in range(2):
        ask(rates, per_minute=2)

    with pytest.raises(RateLimited) as caught:
        rates.admit(STUDENT, per_minute=2, at_once=None)

    assert caught.value.headers["x-should-retry"] == "false"
    assert "retry-after" not in caught.value.headers


def test_too_many_at_once_are_told_to_wait_a_second() -> None:
    rates, _ = limits()
    ask(rates, at_once=1)

    with pytest.raises(RateLimited, match="1 requests open") as caught:
        rates.admit(STUDENT, per_minute=None, at_once=1)

    assert caught.value.headers == {"retry-after": "1", "retry-after-ms": "1000"}


def test_a_request_that_is_refused_at_once_does_not_count_for_the_minute() -> None:
    rates, _ = limits()
    ask(rates, per_minute=2, at_once=1)
    ask(rates, per_minute=2, at_once=1)
    rates.leave(STUDENT)

    assert ask(rates, per_minute=2, at_once=1)


@pytest.mark.parametrize(
    ("reset", "text"), [(60.0, "60s"), (0.25, "0.25s"), (12.3456, "12.346s"), (120.0, "120s"), (0.0, "0s")]
)
def test_the_reset_is_a_duration(reset: float, text: str) -> None:
    assert Rate(60, 1, reset).headers()["x-ratelimit-reset-requests"] == text
