"""The breaker: when to ask what has not answered."""

from hypothesis import given
from hypothesis import strategies as st

from apps.common.breaker import Breaker, Judge, Window, pause_of


def opened(*, at: float = 0.0) -> Breaker:
    breaker = Breaker(misses=3, pause=1.0)
    for _ in range(3):
        breaker.miss(at)
    return breaker


def test_closed_it_lets_everybody_ask() -> None:
    breaker = Breaker()

    assert not breaker.is_open
    assert all(breaker.allows(0.0) for _ in range(100))


def test_so_many_misses_in_a_row_open_it() -> None:
    breaker = Breaker(misses=3)

    assert [breaker.miss(0.0) for _ in range(4)] == [False, False, True, False]
    assert breaker.is_open


def test_a_hit_between_misses_starts_the_row_anew() -> None:
    breaker = Breaker(misses=2)

    for _ in range(10):
        breaker.miss(0.0)
        breaker.hit(0.0)

    assert not breaker.is_open


def test_open_it_lets_one_ask_each_pause() -> None:
    breaker = opened(at=10.0)

    asked = [now / 10 for now in range(100, 131) if breaker.allows(now / 10)]

    assert asked == [11.0, 12.0, 13.0]


def test_misses_of_probes_keep_it_open() -> None:
    breaker = opened()

    assert breaker.allows(1.0)
    assert not breaker.miss(1.1)

    assert breaker.is_open
    assert not breaker.allows(1.5)


def test_one_hit_closes_it() -> None:
    breaker = opened()

    assert [breaker.hit(0.0), breaker.hit(0.0)] == [True, False]
    assert not breaker.is_open
    assert breaker.allows(0.0)


def test_it_takes_as_many_misses_to_open_it_again() -> None:
    breaker = opened()
    breaker.hit(0.0)

    assert [breaker.miss(5.0) for _ in range(3)] == [False, False, True]


def test_it_can_be_opened_at_once() -> None:
    breaker = Breaker(pause=1.0)

    assert [breaker.trip(5.0), breaker.trip(5.5)] == [True, False]
    assert [breaker.allows(5.9), breaker.allows(6.0)] == [False, True]


def test_a_share_of_failures_opens_it_too() -> None:
    breaker = Breaker(misses=5, window=Window(seconds=30, at_least=20, share=0.5))

    for second in range(9):
        assert not breaker.miss(float(second))
        breaker.hit(float(second))
    assert not breaker.miss(9.0)

    breaker.hit(10.0)  # the twentieth of these requests
    assert breaker.miss(10.5)


def test_what_left_the_window_does_not_count() -> None:
    judge = Judge(misses=1000, window=Window(seconds=30, at_least=20, share=0.5))

    assert not any(judge.miss(second / 1.0) for second in range(0, 200, 2))


def test_a_failure_of_something_that_was_reached_ends_the_row() -> None:
    judge = Judge(misses=3)

    found = [judge.miss(0.0, in_a_row=in_a_row) for in_a_row in (True, True, False, True, True, True)]

    assert found == [False] * 5 + [True]


def test_each_trial_that_failed_doubles_the_pause() -> None:
    breaker = Breaker(misses=1, pause=10.0, longest=60.0)
    breaker.miss(0.0)
    asked = []

    for second in range(300):
        if breaker.allows(float(second)):
            asked.append(second)
            breaker.miss(float(second))

    assert asked == [10, 30, 70, 130, 190, 250]


@given(times=st.integers(1, 10_000), jitter=st.floats(0, 1))
def test_a_pause_is_never_shorter_than_the_first_nor_longer_than_the_longest_and_a_tenth(
    times: int, jitter: float
) -> None:
    assert 10.0 <= pause_of(times, jitter=jitter) <= 330.0
