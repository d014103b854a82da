"""Counting in one process: its part of the limits, and its memory."""

from apps.common.errors import RateLimited
from apps.quotas.rate_limits.limits import WINDOW, Scope
from apps.quotas.rate_limits.memory import MemoryRateLimits


class Clock:
    def __init__(self) -> None:
        self.now = 1

    def __call__(self) -> int:
        return self.now


def student(id: int) -> Scope:
    return Scope("student", id, "requests", 10, 10)


def tokens_of(id: int) -> Scope:
    return Scope("student", id, "tokens", 1000)


async def admitted(limits: MemoryRateLimits, scope: Scope, *, times: int, amount: int = 1) -> int:
    count = 0
    for number in range(times):
        try:
            await limits.admit((scope,), id=f"{scope.id}-{number}", amount=amount)
        except RateLimited:
            continue
        count += 1
    return count


async def test_one_process_of_four_admits_its_part() -> None:
    limits = MemoryRateLimits(processes=4, clock=Clock())

    assert await admitted(limits, student(1), times=10) == 3
    assert await admitted(limits, tokens_of(1), times=20, amount=50) == 5
    assert await admitted(limits, tokens_of(2), times=5, amount=900) == 1


async def test_what_was_admitted_elsewhere_counts() -> None:
    limits = MemoryRateLimits(clock=Clock())
    for number in range(7):
        limits.record((student(1),), id=f"elsewhere-{number}", amount=1)
    limits.record((tokens_of(1),), id="elsewhere", amount=700)
    await limits.correct((tokens_of(1),), id="elsewhere", amount=500)

    assert await admitted(limits, student(1), times=10) == 3
    assert limits.amount_of((tokens_of(1),), id="elsewhere") == 500
    assert limits.amount_of((tokens_of(2),), id="elsewhere") == 0
    assert await admitted(limits, tokens_of(1), times=10, amount=100) == 5


async def test_the_clock_is_its_own_unless_one_is_given() -> None:
    assert await admitted(MemoryRateLimits(), student(1), times=12) == 10


async def test_it_remembers_nobody_who_has_not_asked_for_a_minute() -> None:
    clock = Clock()
    limits = MemoryRateLimits(clock=clock)
    for id in range(5_000):
        await limits.admit((student(id),), id=f"{id}")
        limits.release(f"{id}")
        await limits.admit((tokens_of(id),), id=f"{id}", amount=500)
        clock.now += WINDOW // 100

    assert len(limits) < 400


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
    full = Scope("course", 1, "requests", 1)
    await limits.admit((full,), id="first")

    for id in range(2, 1000):
        try:
            await limits.admit((student(id), full), id=f"refused-{id}")
        except RateLimited:
            continue

    assert len(limits) == 1
