"""Who starts, who waits, and who is told to come back: decided by a clock that the test turns."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from apps.common.errors import Overloaded
from apps.dataplane.admission import (
    MOST_LAG,
    MOST_STARTING,
    MOST_WAITING,
    PATIENCE,
    PROBES,
    SHORT_PATIENCE,
    Admission,
    Permit,
    Pressure,
    overloaded,
)

# Decisions


def waiting_since(start: float, *, number: int = 1) -> Pressure:
    pressure = Pressure()
    pressure.note_waiting(number, now=start)
    return pressure


def test_nobody_is_refused_while_nobody_waits() -> None:
    pressure = Pressure()

    assert not pressure.refuses(is_known=False, now=1_000.0)
    assert pressure.patience(now=1_000.0) == PATIENCE


def test_a_burst_may_wait() -> None:
    pressure = waiting_since(10.0, number=500)

    assert pressure.patience(now=10.0 + PATIENCE) == PATIENCE
    assert not pressure.refuses(is_known=True, now=10.0 + PATIENCE)


def test_behind_a_queue_that_stands_nobody_waits_for_long() -> None:
    assert waiting_since(10.0).patience(now=10.01 + PATIENCE) == SHORT_PATIENCE


def test_a_queue_that_was_empty_once_is_a_burst_again() -> None:
    pressure = waiting_since(10.0)
    pressure.note_waiting(0, now=11.5)
    pressure.note_waiting(3, now=11.6)

    assert pressure.patience(now=11.7) == PATIENCE


def test_a_queue_that_refusals_have_emptied_is_none() -> None:
    pressure = waiting_since(10.0)
    pressure.note_refusal(now=11.5)
    pressure.note_waiting(0, now=11.5)

    assert pressure.patience(now=11.5 + PATIENCE / 2) == SHORT_PATIENCE


def test_patience_returns_once_nobody_has_been_refused_for_a_while() -> None:
    pressure = waiting_since(10.0)
    pressure.note_refusal(now=11.5)
    pressure.note_waiting(0, now=11.6)

    assert pressure.patience(now=11.6 + PATIENCE) == PATIENCE


def test_a_refusal_for_another_reason_makes_nobody_impatient() -> None:
    pressure = waiting_since(10.0)
    pressure.note_refusal(now=10.5)

    assert pressure.patience(now=10.6) == PATIENCE


def test_strangers_are_refused_before_students() -> None:
    pressure, now = waiting_since(10.0), 10.01 + PATIENCE / 2

    assert pressure.refuses(is_known=False, now=now)
    assert not pressure.refuses(is_known=True, now=now)


def test_a_queue_has_an_end() -> None:
    assert waiting_since(10.0, number=MOST_WAITING).refuses(is_known=True, now=10.0)


def test_a_loop_that_is_late_all_the_time_takes_nobody() -> None:
    pressure = Pressure()
    for _ in range(PROBES):
        pressure.note_lag(MOST_LAG + 0.1)

    assert pressure.refuses(is_known=True, now=0.0)


def test_a_hiccup_of_the_loop_is_no_reason() -> None:
    pressure = Pressure()
    for lag in (5.0, 5.0, 0.01, 5.0, 5.0):
        pressure.note_lag(lag)

    assert not pressure.refuses(is_known=False, now=0.0)


def test_they_come_back_at_different_times_within_seconds() -> None:
    waits = [overloaded().headers for _ in range(100)]

    assert {headers["retry-after"] for headers in waits} <= {"1", "2", "3"}
    assert all(1_000 <= int(headers["retry-after-ms"]) <= 3_000 for headers in waits)
    assert len({headers["retry-after-ms"] for headers in waits}) > 10


# The queue


@dataclass(slots=True)
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


async def started(admission: Admission, number: int = MOST_STARTING) -> list[Permit]:
    return [await admission.turn() for _ in range(number)]


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(1_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise TimeoutError


async def test_a_few_start_at_once_and_the_others_in_order() -> None:
    admission, order = Admission(), list[int]()
    turns = await started(admission)

    async def wait(number: int) -> None:
        turn = await admission.turn()
        order.append(number)
        turn.end()

    tasks = [asyncio.create_task(wait(number)) for number in range(5)]
    await until(lambda: admission.waiting == 5)
    assert order == []

    turns.pop().end()
    await asyncio.gather(*tasks)
    assert order == [0, 1, 2, 3, 4]


async def test_a_turn_ends_once() -> None:
    admission = Admission()
    turns = await started(admission)
    second = asyncio.create_task(admission.turn())
    third = asyncio.create_task(admission.turn())
    await until(lambda: admission.waiting == 2)

    turns[0].end()
    turns[0].end()

    await second
    assert not third.done()
    turns[1].end()
    await third


async def test_who_has_waited_too_long_is_told_to_come_back() -> None:
    clock = Clock()
    admission = Admission(clock)
    turns = await started(admission)
    first = asyncio.create_task(admission.turn())
    await until(lambda: admission.waiting == 1)
    clock.now = PATIENCE + 0.1  # the queue has stood for so long that patience is short

    with pytest.raises(Overloaded):
        await admission.turn()

    turns[0].end()
    await first


async def test_whoever_comes_to_a_hopeless_queue_is_refused_unread() -> None:
    clock = Clock()
    admission = Admission(clock)
    await started(admission)
    first = asyncio.create_task(admission.turn())
    await until(lambda: admission.waiting == 1)
    admission.check(lambda: True)

    clock.now = PATIENCE + 0.1
    with pytest.raises(Overloaded):
        admission.check(lambda: True)

    first.cancel()


async def test_a_caller_that_leaves_the_queue_takes_no_turn() -> None:
    admission = Admission()
    turns = await started(admission)
    leaving, staying = (asyncio.create_task(admission.turn()) for _ in range(2))
    await until(lambda: admission.waiting == 2)

    leaving.cancel()
    await until(leaving.done)
    turns[0].end()

    await staying


async def test_a_turn_that_comes_to_one_who_is_leaving_goes_on_to_the_next() -> None:
    admission = Admission()
    turns = await started(admission)
    leaving, staying = (asyncio.create_task(admission.turn()) for _ in range(2))
    await until(lambda: admission.waiting == 2)

    turns[0].end()  # to the one
    leaving.cancel()  # which has not run since

    await staying


async def test_after_all_of_it_every_place_is_free_again() -> None:
    admission = Admission()
    for turn in await started(admission):
        turn.end()

    assert len(await started(admission)) == MOST_STARTING
    assert admission.waiting == 0
