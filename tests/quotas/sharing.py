"""Limits that processes share, asked until what is expected happens."""

import asyncio
from collections.abc import Callable

from apps.common.errors import RateLimited
from apps.common.ids import new_id
from apps.quotas.rate_limits.limits import Scope
from apps.quotas.rate_limits.shared import SharedRateLimits
from tests.contracts.rates import student
from tests.live import PATIENCE

BUDGET = 2.0


def tokens_of_student(per_minute: int = 1000) -> Scope:
    return student(per_minute, unit="tokens")


async def ask(limits: SharedRateLimits, *scopes: Scope, amount: int = 1) -> str | None:
    id = new_id()
    try:
        await limits.admit(scopes, id=id, amount=amount)
    except RateLimited:
        return None
    return id


async def often(limits: SharedRateLimits, *scopes: Scope, times: int, amount: int = 1) -> int:
    return sum([await ask(limits, *scopes, amount=amount) is not None for _ in range(times)])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110  # for a server, which sets no event
            await asyncio.sleep(0.01)


async def until_admitted(limits: SharedRateLimits, scope: Scope, *, amount: int = 1) -> str:
    async with asyncio.timeout(PATIENCE):
        while (id := await ask(limits, scope, amount=amount)) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return id


async def asked_until_local(limits: SharedRateLimits) -> None:
    """Ask until nobody waits for Redis any more."""
    async with asyncio.timeout(PATIENCE):
        while not limits.is_local:
            await asyncio.gather(*(ask(limits, student(10)) for _ in range(5)))
