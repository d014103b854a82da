"""How much may be repeated."""

from apps.common.retries import RetryBudget


def taken(budget: RetryBudget, now: float, *, tries: int = 1000) -> int:
    return sum(budget.take(now) for _ in range(tries))


def test_without_requests_there_is_the_floor() -> None:
    assert taken(RetryBudget(floor=3), 100.0) == 3


def test_it_is_a_share_of_the_requests() -> None:
    budget = RetryBudget(share=0.2)
    for number in range(200):
        budget.note(100.0 + number / 100)

    assert taken(budget, 102.5) == 40
    assert taken(budget, 105.0) == 0


def test_what_is_old_is_forgotten() -> None:
    budget = RetryBudget(share=0.2, floor=3, seconds=10)
    for _ in range(100):
        budget.note(100.0)
    first = taken(budget, 104.0)

    assert (first, taken(budget, 109.9), taken(budget, 110.0), taken(budget, 114.0)) == (20, 0, 0, 3)


def test_its_size_does_not_grow() -> None:
    budget = RetryBudget(seconds=10)
    for second in range(1000):
        budget.note(float(second))

    assert len(budget._seconds) == 10
