"""How much may be repeated."""

import pytest

from apps.common.retries import RetryBudget


def taken(budget: RetryBudget, now: float, *, requests: int) -> int:
    return sum(budget.take(now, requests=requests) for _ in range(1000))


@pytest.mark.parametrize(("requests", "repeats"), [(0, 3), (10, 3), (19, 3), (20, 4), (200, 40)])
def test_it_is_a_share_of_the_requests_or_the_floor(requests: int, repeats: int) -> None:
    assert taken(RetryBudget(share=0.2, floor=3), 100.0, requests=requests) == repeats


def test_what_is_old_is_forgotten() -> None:
    budget = RetryBudget(share=0.2, floor=3, seconds=30)

    assert [taken(budget, now, requests=100) for now in (100.0, 129.9, 130.0)] == [20, 0, 20]
