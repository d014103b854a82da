"""The fair queue: who gets the next place, and who may wait for one."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.common.fair_queue import FairQueue, QueueFull


def run(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scene())


async def settle() -> None:
    """Let everybody who can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_free_place_is_had_at_once() -> None:
    async def scene() -> None:
        queue = FairQueue(2, longest=0)
        await queue.enter("lab", "ada")
        leave = await queue.enter("lab", "bob")
        assert not queue.is_free
        with pytest.raises(QueueFull):
            await queue.enter("lab", "eve")
        leave()
        leave()  # safe to repeat
        assert queue.in_use == 1
        await queue.enter("lab", "eve")

    run(scene)


def test_the_next_place_goes_to_the_group_and_then_the_member_that_hold_the_fewest() -> None:
    async def scene() -> None:
        queue, order = FairQueue(2, longest=10), []

        async def call(group: str, member: str) -> None:
            leave = await queue.enter(group, member)
            order.append(f"{group}/{member}")
            await asyncio.sleep(0)
            await released.wait()
            leave()

        released = asyncio.Event()
        first, second = await queue.enter("lab", "ada"), await queue.enter("lab", "ada")
        tasks = []
        for who in (("lab", "ada"), ("lab", "ada"), ("lab", "bob"), ("seminar", "eve")):
            tasks.append(asyncio.ensure_future(call(*who)))
            await settle()
        first()
        await settle()
        assert order == ["seminar/eve"]
        second()
        await settle()
        assert order[1:] == ["lab/bob"]  # ada had one already
        released.set()
        await asyncio.gather(*tasks)
        assert sorted(order[2:]) == ["lab/ada", "lab/ada"]
        assert (queue.in_use, queue.waiting) == (0, 0)

    run(scene)


def test_a_full_queue_makes_room_for_a_group_that_waits_less() -> None:
    async def scene() -> None:
        queue = FairQueue(1, longest=3)
        leave = await queue.enter("lab", "ada")
        lab = [asyncio.ensure_future(queue.enter("lab", number)) for number in range(3)]
        await settle()
        other = asyncio.ensure_future(queue.enter("seminar", "eve"))
        await settle()
        assert [task.done() for task in lab] == [False, False, True]
        assert isinstance(lab[2].exception(), QueueFull)
        with pytest.raises(QueueFull):
            await queue.enter("lab", "late")
        leave()
        await settle()
        assert other.done()
        for task in lab[:2]:
            task.cancel()

    run(scene)


def test_whoever_gives_up_leaves_no_place_taken() -> None:
    async def scene() -> None:
        queue = FairQueue(1, longest=5)
        leave = await queue.enter("lab", "ada")
        waiting, chosen = (asyncio.ensure_future(queue.enter("lab", name)) for name in ("bob", "eve"))
        await settle()
        waiting.cancel()
        await settle()
        assert queue.waiting == 1
        leave()
        chosen.cancel()  # in the same moment in which it gets its place
        await settle()
        assert queue.is_free

    run(scene)


def test_more_places_let_more_in() -> None:
    async def scene() -> None:
        queue = FairQueue(1, longest=5)
        await queue.enter("lab", "ada")
        waiting = [asyncio.ensure_future(queue.enter("lab", number)) for number in range(2)]
        await settle()
        queue.resize(3, longest=5)
        await asyncio.gather(*waiting)
        assert queue.in_use == 3

    run(scene)


@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(0, 6))
def test_however_calls_come_and_go_the_bounds_hold_and_everybody_ends(seed: int, places: int, longest: int) -> None:
    async def scene() -> None:
        rng = random.Random(seed)
        queue, inside, refused = FairQueue(places, longest=longest), Counter[str](), 0

        async def call(group: str) -> None:
            nonlocal refused
            try:
                leave = await queue.enter(group, rng.randrange(2))
            except QueueFull:
                refused += 1
                return
            inside[group] += 1
            assert sum(inside.values()) <= queue.in_use <= places
            try:
                for _ in range(rng.randrange(4)):
                    await asyncio.sleep(0)
            finally:
                inside[group] -= 1
                leave()

        tasks = []
        for _ in range(30):
            tasks.append(asyncio.ensure_future(call(rng.choice("abc"))))
            if rng.random() < 0.3:
                rng.choice(tasks).cancel()
            if rng.random() < 0.5:
                await asyncio.sleep(0)
            assert queue.waiting <= longest
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        assert (queue.in_use, queue.waiting, +inside) == (0, 0, Counter())
        assert not [task for task in tasks if not task.cancelled() and task.exception()]
        assert not queue._served, "It remembers those who have gone"

    run(scene)
