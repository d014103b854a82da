"""Counting in one process: its part of the limits, and its memory."""

from apps.common.errors import RateLimited
from apps.quotas.rates import WINDOW, Scope
from apps.quotas.rates_memory import MemoryRateLimits


class Clock:
    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


def student(id: int) -> Scope:
    return Scope("student", id, 10, 10)


async def admitted(limits: MemoryRateLimits, scope: Scope, *, times: int) -> int:
    count = 0
    for number in range(times):
        try:
            await limits.admit((scope,), id=f"{scope.id}-{number}")
        except RateLimited:
            continue
        count += 1
    return count


async def test_one_process_of_four_admits_its_part() -> None:
    limits = MemoryRateLimits(processes=4, clock=Clock())

    assert await admitted(limits, student(1), times=10) == 3


async def test_what_was_admitted_elsewhere_counts() -> None:
    limits = MemoryRateLimits(clock=Clock())
    for number in range(7):
        limits.record((student(1),), id=f"elsewhere-{number}")

    assert await admitted(limits, student(1), times=10) == 3


async def test_the_clock_is_its_own_unless_one_is_given() -> None:
    assert await admitted(MemoryRateLimits(), student(1), times=12) == 10


async def test_it_remembers_nobody_who_has_not_asked_for_a_minute() -> None:
    clock = Clock()
    limits = MemoryRateLimits(clock=clock)
    for id in range(10_000):
        await limits.admit((student(id),), id=f"{id}")
        limits.release(f"{id}")
        clock.now += WINDOW // 100

    assert len(limits) < 200


async def test_it_remembers_open_requests_however_many_come_after() -> None:
    clock = Clock()
    limits = MemoryRateLimits(clock=clock)
    await admitted(limits, student(0)._replace(per_minute=None), times=10)
    for id in range(1, 1000):
        await limits.admit((student(id),), id=f"other-{id}")
        limits.release(f"other-{id}")
        clock.now += WINDOW // 100

    assert await admitted(limits, student(0)._replace(per_minute=None), times=1) == 0


async def test_refused_requests_leave_nothing_behind() -> None:
    limits = MemoryRateLimits(clock=Clock())
    full = Scope("course", 1, 1, None)
    await limits.admit((full,), id="first")

    for id in range(2, 1000):
        try:
            await limits.admit((student(id), full), id=f"refused-{id}")
        except RateLimited:
            continue

    assert len(limits) == 1
