"""`python -m bench.limits [REDIS_URL]`: what it costs to admit a request that has six limits, and to count its tokens.

Without an address it starts a Redis of its own, if the test tools are installed.
"""

import asyncio
import sys
import time

from apps.quotas.rate_limits.limits import RateLimits, Scope
from apps.quotas.rate_limits.memory import MemoryRateLimits
from apps.quotas.rate_limits.opening import open_rate_limits

TIMES = 20_000
PLENTY = 10**9


def scopes(student: int) -> tuple[Scope, ...]:
    return (
        Scope("key", student, "requests", PLENTY, PLENTY),
        Scope("student", student, "requests", PLENTY, PLENTY),
        Scope("course", 1, "requests", PLENTY, PLENTY),
    )


async def measure(limits: RateLimits, *, name: str, clients: int, times: int) -> None:
    """Admit and release, so many times over all clients."""

    async def client(number: int) -> None:
        for turn in range(times // clients):
            id = f"{name}-{clients}-{number}-{turn}"
            await limits.admit(scopes(number), id=id)
            limits.release(id)

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(client(number) for number in range(clients)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(
        f"{name:7} {clients:3} clients: {wall / times * 1e6:6.1f} µs a request, {cpu / times * 1e6:6.1f} µs of this "
        f"process' CPU, {times / wall:8,.0f} requests/s"
    )


def token_scopes(student: int) -> tuple[Scope, ...]:
    return (
        Scope("key", student, "tokens", PLENTY),
        Scope("student", student, "tokens", PLENTY),
        Scope("course", 1, "tokens", PLENTY),
    )


async def measure_tokens(limits: RateLimits, *, name: str, clients: int, times: int) -> None:
    """Admit and correct, so many times over all clients."""

    async def client(number: int) -> None:
        for turn in range(times // clients):
            id = f"{name}-{clients}-{number}-{turn}"
            await limits.admit(token_scopes(number), id=id, amount=1000)
            await limits.correct(token_scopes(number), id=id, amount=100)

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(client(number) for number in range(clients)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(
        f"{name:7} {clients:3} clients: {wall / times * 1e6:6.1f} µs for tokens, {cpu / times * 1e6:6.1f} µs of this "
        f"process' CPU, {times / wall:8,.0f} calls/s"
    )


async def compare(redis_url: str) -> None:
    await measure(MemoryRateLimits(), name="memory", clients=1, times=TIMES)
    await measure_tokens(MemoryRateLimits(), name="memory", clients=1, times=TIMES)
    limits = await open_rate_limits(redis_url=redis_url, budget=1.0, processes=1)
    for clients in (1, 32):
        await measure(limits, name="redis", clients=clients, times=TIMES // 10)
        await measure_tokens(limits, name="redis", clients=clients, times=TIMES // 10)
    await limits.close()


def main() -> None:
    if len(sys.argv) > 1:
        asyncio.run(compare(sys.argv[1]))
        return
    from tests.servers import Redis

    with Redis() as server:
        asyncio.run(compare(server.url()))


if __name__ == "__main__":
    main()
