"""Deployments that take only so many calls at once."""

import asyncio

import pytest

from apps.chat.relay.attempts import Attempts, Providers
from apps.chat.relay.concurrency import LEAST_WAITING, ConcurrencyLimits
from apps.common.errors import GatewayError
from apps.providers.adapters.protocol import UpstreamRefused
from apps.providers.health.memory import Health
from apps.providers.routing import Candidate
from tests.chat.unit.many_upstreams import ManyAdapter
from tests.chat.unit.values import a_call, a_principal, a_route, a_target

STUDENT = a_principal()
FEW = a_target(max_concurrent=1)


async def test_who_finds_no_place_in_time_is_refused() -> None:
    limits = ConcurrencyLimits()
    await limits.enter(FEW, STUDENT, places=1, seconds=1)

    with pytest.raises(UpstreamRefused, match=r"within 0\.01 seconds") as caught:
        await limits.enter(FEW, STUDENT, places=1, seconds=0.01)

    assert caught.value.reason == "full"


async def test_only_so_many_may_wait() -> None:
    limits = ConcurrencyLimits()
    await limits.enter(FEW, STUDENT, places=1, seconds=1)
    waiting = [asyncio.create_task(limits.enter(FEW, STUDENT, places=1, seconds=10)) for _ in range(LEAST_WAITING)]
    await asyncio.sleep(0)

    with pytest.raises(UpstreamRefused, match="Too many") as caught:
        await limits.enter(FEW, STUDENT, places=1, seconds=10)

    assert caught.value.reason == "full"
    for task in waiting:
        task.cancel()


async def test_places_that_staff_add_are_there_for_the_next_call() -> None:
    limits = ConcurrencyLimits()
    await limits.enter(FEW, STUDENT, places=1, seconds=1)

    assert await limits.enter(FEW, STUDENT, places=2, seconds=0.01)


async def test_whoever_has_a_place_is_asked_first() -> None:
    limits = ConcurrencyLimits()
    full, other = (Candidate(a_target(deployment_id=id, max_concurrent=most), None) for id, most in ((1, 1), (2, None)))
    await limits.enter(full.target, STUDENT, places=1, seconds=1)

    assert limits.order([full, other]) == [other, full]


async def test_an_answer_has_its_place_until_it_is_closed() -> None:
    providers = Providers({"openai": ManyAdapter()}, Health())
    call = a_call(route=a_route(a_target(max_concurrent=1, first_byte_timeout=0.05)))

    def attempts() -> Attempts:
        return Attempts(call, providers, output=10, guidance=())

    first = attempts()
    answer = await first.first_answer()
    with pytest.raises(GatewayError):
        await attempts().first_answer()
    first.close(answer)

    assert await attempts().first_answer()
