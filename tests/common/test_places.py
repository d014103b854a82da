"""Places that are taken in turn."""

import asyncio

import pytest

from apps.common.places import Places


def test_those_that_are_free_are_taken_without_waiting() -> None:
    places = Places(2)

    places.take()
    places.take()

    assert places.free == 0


async def test_who_waits_first_is_first() -> None:
    places, order = Places(0), []

    async def wait(name: str) -> None:
        await places.wait()
        order.append(name)

    async with asyncio.TaskGroup() as tasks:
        for name in "abc":
            tasks.create_task(wait(name))
            await asyncio.sleep(0)
        for _ in "abc":
            places.give_back()

    assert order == ["a", "b", "c"]
    assert places.free == 0


async def test_a_place_that_is_given_back_is_not_free_while_somebody_waits() -> None:
    places = Places(0)
    waiting = asyncio.create_task(places.wait())
    await asyncio.sleep(0)

    places.give_back()

    assert places.free == 0
    await waiting


@pytest.mark.parametrize("is_given", [False, True], ids=["before its turn", "as its turn comes"])
async def test_who_gives_up_loses_no_place(is_given: bool) -> None:
    places = Places(0)
    first, second = (asyncio.create_task(places.wait()) for _ in range(2))
    await asyncio.sleep(0)

    if is_given:
        places.give_back()
    first.cancel()
    await asyncio.wait([first])
    if not is_given:
        places.give_back()

    await asyncio.wait_for(second, 1)
    assert first.cancelled() and places.free == 0
    places.give_back()
    assert places.free == 1
