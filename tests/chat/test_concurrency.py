"""Many at once."""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.chat.world import PATIENCE, World, make_world
from tests.live import Gateway
from tests.provider_stub import ProviderStub


async def ask_at_once(world: World, times: int, **options: Any) -> list[httpx.Response]:
    headers = {"authorization": f"Bearer {world.key}"}
    async with httpx.AsyncClient(verify=False, timeout=PATIENCE, headers=headers) as client:
        url, body = f"{world.gateway.base_url}/v1/chat/completions", world.body("one two three", **options)
        return await asyncio.gather(*(client.post(url, json=body) for _ in range(times)))


@pytest.mark.parametrize("options", [{}, {"stream": True}], ids=["plain", "streamed"])
def test_all_are_answered_and_charged_once(world: World, options: dict[str, Any]) -> None:
    responses = asyncio.run(ask_at_once(world, 60, **options))

    assert Counter(response.status_code for response in responses) == {200: 60}
    assert (world.usage()["used"], world.usage()["held"]) == (60 * 8, 0)
    assert len(world.calls()) == 60


def test_holds_at_the_same_time_never_exceed_the_allowance(
    committed_db: None, gateway: Gateway, stub: ProviderStub
) -> None:
    """Each request holds more than 200 of 1,000 tokens, so no more than four can be open at once."""
    stub.always(pause_after=1, usage={"prompt_tokens": 50, "completion_tokens": 150})
    with make_world(gateway, stub, policy={"student_weekly_tokens": 1000, "least_output_tokens": 200}) as world:

        async def spike() -> list[httpx.Response]:
            asking = asyncio.create_task(ask_at_once(world, 30, max_tokens=200, stream=True))
            await asyncio.to_thread(stub.wait_until, lambda: stub.journal)
            await asyncio.sleep(0.5)
            stub.go_on()
            return await asking

        responses = asyncio.run(spike())

        statuses = Counter(response.status_code for response in responses)
        assert statuses[200] + statuses[429] == 30
        assert 1 <= statuses[200] <= 4
        assert len(stub.journal) == statuses[200]
        assert (world.usage()["used"], world.usage()["held"]) == (200 * statuses[200], 0)


def test_two_hundred_streams_at_once_are_all_complete(world: World, stub: ProviderStub) -> None:
    stub.always(text="word " * 20, chunk_delay=0.02)

    responses = asyncio.run(ask_at_once(world, 200, stream=True, max_tokens=50))

    assert Counter(response.text.endswith("data: [DONE]\n\n") for response in responses) == {True: 200}
    assert world.usage()["held"] == 0
