"""Counting in one process: its part of the limits, and its memory."""

from apps.common.errors import RateLimited
from apps.quotas.rate_limits.memory import MemoryRateLimits
from apps.quotas.rate_limits.requests import WINDOW, Scope
from apps.quotas.rate_limits.tokens import TokenScope


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


async def tokens_admitted(limits: MemoryRateLimits, scope: TokenScope, *, amount: int, times: int) -> int:
    count = 0
    for number in range(times):
        try:
            await limits.take((scope,), id=f"{scope.id}-{number}", amount=amount)
        except RateLimited:
            continue
        count += 1
    return count


async def test_one_process_of_four_admits_its_part_of_the_tokens() -> None:
    limits = MemoryRateLimits(processes=4, clock=Clock())

    assert await tokens_admitted(limits, TokenScope("student", 1, 1000), amount=50, times=20) == 5


async def test_one_process_of_four_admits_one_call_that_is_larger_than_its_part() -> None:
    limits = MemoryRateLimits(processes=4, clock=Clock())

    assert await tokens_admitted(limits, TokenScope("student", 1, 1000), amount=900, times=5) == 1


async def test_tokens_that_were_taken_elsewhere_count() -> None:
    limits, ada = MemoryRateLimits(clock=Clock()), TokenScope("student", 1, 1000)
    limits.record_tokens((ada,), id="elsewhere", amount=700)
    limits.correct((ada,), id="elsewhere", amount=500)

    assert limits.taken(ada, id="elsewhere") == 500
    assert limits.taken(TokenScope("student", 2, 1000), id="elsewhere") == 0
    assert await tokens_admitted(limits, ada, amount=100, times=10) == 5


async def test_it_remembers_nobody_whose_tokens_are_a_minute_old() -> None:
    clock = Clock()
    limits = MemoryRateLimits(clock=clock)
    for id in range(10_000):
        await limits.take((TokenScope("student", id, 1000),), id=f"{id}", amount=500)
        clock.now += WINDOW // 100

    assert len(limits) < 200
