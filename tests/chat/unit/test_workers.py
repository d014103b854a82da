"""Rules that take too long, or give up."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from apps.chat.guardrails import workers
from apps.chat.guardrails.workers import THREADS, RulesUnavailable
from apps.rules.engine.matcher import EngineFailed
from apps.rules.rulebook import Rulebook
from tests.chat.unit.values import a_rule

STRICT = Rulebook.of([a_rule()])
LENIENT = Rulebook.of([a_rule()], lets_pass=True)


class Gate(threading.Event):
    """What work that is to be late waits for, and works hard meanwhile."""

    def work(self) -> bool:
        while not self.is_set():
            sum(range(100))
        return True


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Open in the end, so that no thread stays."""
    gate = Gate()
    yield gate
    gate.set()


def give_up() -> str:
    raise EngineFailed("It gave up.")


async def test_the_outcome_of_the_work_is_given() -> None:
    assert await workers.run(lambda: "done", book=STRICT, call="c") == "done"


async def test_work_is_done_in_a_thread() -> None:
    assert await workers.run(threading.current_thread, book=STRICT, call="c") is not threading.current_thread()


async def test_work_that_is_late_lets_nothing_pass(gate: Gate) -> None:
    with pytest.raises(RulesUnavailable):
        await workers.run(gate.work, book=STRICT, call="c")


async def test_an_engine_that_gives_up_lets_nothing_pass() -> None:
    with pytest.raises(RulesUnavailable):
        await workers.run(give_up, book=STRICT, call="c")


async def test_a_course_that_wishes_so_goes_unchecked_and_that_is_logged(
    gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    before = workers.UNCHECKED.labels(outcome="let_pass")._value.get()

    assert await workers.run(gate.work, book=LENIENT, call="c1") is None
    assert await workers.run(give_up, book=LENIENT, call="c2") is None

    assert workers.UNCHECKED.labels(outcome="let_pass")._value.get() == before + 2
    unchecked = [record.getMessage() for record in caplog.records if "goes on unchecked" in record.getMessage()]
    assert [message.split()[1] for message in unchecked] == ["c1", "c2"]


async def test_a_thread_that_waits_for_the_machine_is_not_late(gate: Gate) -> None:
    waiting = asyncio.create_task(workers.in_thread(gate.wait, deadline=0.01))
    await asyncio.wait((waiting,), timeout=0.1)

    gate.set()

    assert await waiting


async def test_so_many_work_at_once_and_no_more(gate: Gate) -> None:
    started = threading.Semaphore(0)

    def work() -> bool:
        started.release()
        return gate.wait()

    waiting = [asyncio.create_task(workers.in_thread(work, deadline=None)) for _ in range(THREADS + 2)]
    for _ in range(THREADS):
        await asyncio.to_thread(started.acquire)
    is_another_at_work = started.acquire(blocking=False)
    gate.set()
    await asyncio.gather(*waiting)

    assert not is_another_at_work


async def test_late_work_keeps_its_place_until_it_is_done(gate: Gate) -> None:
    late = [asyncio.create_task(workers.in_thread(gate.work, deadline=0.01)) for _ in range(THREADS)]
    outcomes = await asyncio.gather(*late, return_exceptions=True)

    another = asyncio.create_task(workers.in_thread(lambda: "done"))
    await asyncio.sleep(0)
    is_waiting = not another.done()
    gate.set()

    assert all(isinstance(outcome, TimeoutError) for outcome in outcomes)
    assert is_waiting and await another == "done"


@pytest.mark.parametrize(
    ("size", "seconds"), [(0, 0.1), (32 * 1024, 0.1), (64 * 1024, 0.2), (10 * 2**20, 1.0)], ids=str
)
def test_what_is_longer_may_take_longer_up_to_a_bound(size: int, seconds: float) -> None:
    assert workers.deadline_of(size) == pytest.approx(seconds)
