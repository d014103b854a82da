"""How much of long bodies a process, and one student, may hold at a time."""

import threading
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest

from apps.common.errors import Overloaded, RateLimited
from gateway_project.edge.body_budget import MOST_EACH, SHORT, BodyBudget, BodyShare
from tests.chat.world import World, wait_until

ADA, BEN, CLEO = 1, 2, 3
LONG = SHORT + 1
TOO_MUCH = 429


def share(budget: BodyBudget, member: int, size: int) -> BodyShare:
    taken = BodyShare(budget, member)
    taken.grow(size)
    return taken


def test_a_student_holds_so_much_and_no_more() -> None:
    budget = BodyBudget(most=10 * LONG, most_each=2 * LONG)
    first, _ = share(budget, ADA, LONG), share(budget, ADA, LONG)

    with pytest.raises(RateLimited):
        share(budget, ADA, LONG)
    share(budget, BEN, LONG)
    first.end()
    share(budget, ADA, LONG)


def test_all_together_hold_so_much_and_no_more() -> None:
    budget = BodyBudget(most=2 * LONG, most_each=2 * LONG)
    first, _ = share(budget, ADA, LONG), share(budget, BEN, LONG)

    with pytest.raises(Overloaded):
        share(budget, CLEO, LONG)
    first.end()
    share(budget, CLEO, LONG)


def test_a_body_counts_once_as_it_grows_and_short_ones_do_not() -> None:
    budget = BodyBudget(most=2 * LONG, most_each=2 * LONG)
    growing = BodyShare(budget, ADA)
    for size in (SHORT, LONG, LONG + 1, 2 * LONG):
        growing.grow(size)

    share(budget, ADA, SHORT)
    with pytest.raises(RateLimited):
        growing.grow(2 * LONG + 1)
    growing.end()
    growing.end()
    share(budget, ADA, 2 * LONG)


def test_a_student_who_sends_too_much_at_once_is_told_to_wait(world: World) -> None:
    """Two requests stay open with 27 MB each; a third of 16 MB is more than their student may hold."""
    piece, finish = b" " * 2**20, threading.Event()

    def unfinished() -> Iterator[bytes]:
        yield from [piece] * 27
        while not finish.wait(0.1):
            yield b" "  # fails once the gateway has refused the rest

    def stay_open() -> None:
        while not finish.is_set():  # the third may come while this one is still sending, and win
            posted(world, unfinished())

    open_ones = [threading.Thread(target=stay_open) for _ in range(2)]
    for one in open_ones:
        one.start()
    try:
        refusal = wait_until(lambda: refused(posted(world, piece * 16)), what="The refusal", every=0.5)
    finally:
        finish.set()
        for one in open_ones:
            one.join()

    assert refusal.headers["retry-after"] == "1"
    assert f"{MOST_EACH // 2**20} MB" in refusal.json()["error"]["message"]
    assert refused(world.post(content=piece * 16)) is None


def posted(world: World, content: bytes | Iterator[bytes]) -> httpx.Response | None:
    """None if the connection was closed before all was sent: the refusal may be lost with it."""
    with suppress(httpx.TransportError):
        return world.post(content=content)
    return None


def refused(response: httpx.Response | None) -> httpx.Response | None:
    return response if response is not None and response.status_code == TOO_MUCH else None
