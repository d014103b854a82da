"""Several processes that judge one provider at once."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection

from apps.common.health.states import State
from apps.providers.health import rows
from apps.providers.health.news import News
from apps.providers.models import Deployment
from tests import factories
from tests.contracts.health import DOWN, NOW, events, judge

PROCESSES = 4
ROUNDS = 30


@pytest.fixture
def committed(committed_db: None) -> Iterator[Deployment]:
    provider = factories.make_provider(name=factories.unique("provider"))
    yield factories.make_deployment(factories.make_model(name=factories.unique("model")), provider)
    provider.delete()


def test_of_many_processes_that_open_it_at_once_one_tells(committed: Deployment) -> None:
    barrier = Barrier(PROCESSES)

    def open_it(_: int) -> int | None:
        try:
            barrier.wait()
            return judge(committed, DOWN)
        finally:
            connection.close()

    with ThreadPoolExecutor(PROCESSES) as pool:
        versions = list(pool.map(open_it, range(PROCESSES)))

    assert sorted(versions, key=str) == [1] + [None] * (PROCESSES - 1)
    assert events(committed) == ["down", "all_open"]


def test_doubts_and_judgements_do_not_lock_each_other_out(committed: Deployment) -> None:
    """Each of them locks the health of a deployment, and adds an event of its provider."""
    barrier = Barrier(2)

    def judges() -> None:
        for number in range(ROUNDS):
            barrier.wait()
            judge(committed, State(since=NOW) if number % 2 else DOWN, version=number)

    def doubts() -> None:
        for number in range(ROUNDS):
            barrier.wait()
            rows.write(News(doubts={committed.pk: "It reported nothing."}), NOW + timedelta(hours=number))

    def closing(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException:
            barrier.abort()
            raise
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(closing, work) for work in (judges, doubts)]

    assert [each.exception() for each in done] == [None, None]
