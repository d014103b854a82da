"""The breaker: when to ask what has not answered."""

from apps.common.breaker import Breaker


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
        breaker.hit()

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

    assert [breaker.hit(), breaker.hit()] == [True, False]
    assert not breaker.is_open
    assert breaker.allows(0.0)


def test_it_takes_as_many_misses_to_open_it_again() -> None:
    breaker = opened()
    breaker.hit()

    assert [breaker.miss(5.0) for _ in range(3)] == [False, False, True]


def test_it_can_be_opened_at_once() -> None:
    breaker = Breaker(pause=1.0)

    assert [breaker.trip(5.0), breaker.trip(5.5)] == [True, False]
    assert [breaker.allows(5.9), breaker.allows(6.0)] == [False, True]
