"""The gate, where no server is needed to see what it does."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from apps.common.errors import GatewayError, NotAllowed
from apps.dataplane.answers import AnswerCut
from apps.services.admitted import AdmittedRequest
from apps.services.gate import admit
from tests.services.arrivals import make_arrival
from tests.services.entries import caller


@dataclass
class Plane:
    """As much of a data plane as is looked at before anything is counted."""

    is_draining: bool = True


@dataclass
class Runtime:
    plane: Plane


async def test_nobody_is_let_in_while_the_process_stops() -> None:
    runtime: Any = Runtime(Plane())

    with pytest.raises(GatewayError) as caught:
        await admit(runtime, replace(make_arrival(), principal=caller()))

    assert (caught.value.code, caught.value.headers["retry-after"]) == ("shutting_down", "1")


# A request that was let in


def admitted(ended: list[object]) -> AdmittedRequest:
    return AdmittedRequest(principal=None, admitted=None, headers={}, identity={}, on_end=ended.append)


async def pieces(*blocks: bytes) -> AsyncIterator[bytes]:
    for block in blocks:
        yield block
    await asyncio.sleep(3600)


async def whole(*blocks: bytes) -> AsyncIterator[bytes]:
    for block in blocks:
        yield block


async def test_it_ends_once_with_its_answer() -> None:
    ended: list[object] = []
    request = admitted(ended)

    assert [block async for block in request.passed_on(whole(b"a", b"b"))] == [b"a", b"b"]
    request.end()

    assert ended == [request]


async def test_an_answer_is_cut_where_it_waits_for_more() -> None:
    ended: list[object] = []
    request = admitted(ended)
    seen = []
    asyncio.get_running_loop().call_later(0.01, request.stop, "shutting_down")

    with pytest.raises(AnswerCut):
        async for block in request.passed_on(pieces(b"a")):
            seen.append(block)

    assert (seen, ended, request.ending) == ([b"a"], [request], "shutting_down")
    assert request.task.cancelling() == 0


async def test_an_answer_whose_client_did_not_read_is_cut_before_the_next_piece() -> None:
    request = admitted([])
    seen = []

    with pytest.raises(AnswerCut):
        async for block in request.passed_on(whole(b"a", b"b")):
            seen.append(block)
            request.stop("access_ended")

    assert seen == [b"a"]


async def test_a_request_that_waits_is_refused() -> None:
    request = admitted([])
    loop = asyncio.get_running_loop()
    loop.call_later(0.01, request.stop, "access_ended")
    loop.call_later(0.02, request.stop, "shutting_down")

    with pytest.raises(NotAllowed, match="Your key was revoked"), request.answering():
        await asyncio.sleep(3600)

    assert request.ending == "access_ended"


async def test_a_client_that_leaves_is_no_stop() -> None:
    async def work() -> None:
        with admitted([]).answering():
            await asyncio.sleep(3600)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
