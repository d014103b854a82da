"""Which of a name's addresses is connected to."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from apps.common.addresses import ForbiddenAddress
from apps.common.dialing import HEAD_START, Dialer
from tests.common.relay.raw import until

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])  # it asks Python for addresses, which a test can change

Address = tuple[str, int]


@pytest.fixture
def good() -> Iterator[Address]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()


@pytest.fixture
def other() -> Iterator[Address]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()


@pytest.fixture
def closed() -> Address:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()  # type: ignore[no-any-return]


@pytest.fixture
def hanging() -> Iterator[Address]:
    """It answers nothing, as a network that swallows packets."""
    with socket.socket() as full, contextlib.ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        yield full.getsockname()


Names = Callable[..., list[str]]


@pytest.fixture
def name(monkeypatch: pytest.MonkeyPatch) -> Names:
    """Give `name` these addresses. Returns the list of what is looked up from then on."""

    def resolve_to(*addresses: Address, delay: float = 0.0) -> list[str]:
        def getaddrinfo(host: str, *_: Any) -> list[Any]:
            asked.append(host)
            time.sleep(delay)
            if not addresses:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]

        asked: list[str] = []
        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        return asked

    return resolve_to


async def dial(dialer: Dialer | None = None, *, allow_private: bool = True) -> Address:
    """Whom a socket was connected to."""
    with await (dialer or Dialer()).dial("name", 80, allow_private=allow_private) as opened:
        return opened.getpeername()  # type: ignore[no-any-return]


async def test_the_first_that_answers_is_taken(name: Names, good: Address, other: Address) -> None:
    name(good, other)

    assert await dial() == good


async def test_one_that_refuses_costs_no_time(name: Names, closed: Address, good: Address) -> None:
    name(closed, closed, closed, good)
    began = time.monotonic()

    assert await dial() == good
    assert time.monotonic() - began < HEAD_START


async def test_one_that_says_nothing_costs_a_moment(name: Names, hanging: Address, good: Address) -> None:
    files = len(os.listdir("/proc/self/fd"))
    name(hanging, hanging, good)
    began = time.monotonic()

    assert await dial() == good
    assert 2 * HEAD_START <= time.monotonic() - began < 2
    await until(lambda: len(os.listdir("/proc/self/fd")) <= files)


async def test_if_none_answers_the_first_says_why(name: Names, closed: Address) -> None:
    name(("203.0.113.1", 0), closed)  # a connection to port 0 is refused by another error

    with pytest.raises(OSError) as caught:
        await dial()

    assert not isinstance(caught.value, ConnectionRefusedError)


async def test_the_guard_looks_at_every_address(name: Names, good: Address, other: Address) -> None:
    name(good, other)

    with pytest.raises(ForbiddenAddress):
        await dial(allow_private=False)


async def test_a_name_is_looked_up_once_for_all_who_wait_and_for_a_while(
    name: Names, good: Address, other: Address
) -> None:
    asked = name(good, other, delay=0.05)
    dialer = Dialer()

    first = await asyncio.gather(*(dial(dialer) for _ in range(10)))
    await dial(dialer)

    assert asked == ["name"]
    assert {*first} == {good, other}  # in turns


async def test_a_name_that_was_not_found_is_looked_up_again(name: Names, good: Address) -> None:
    name()
    dialer = Dialer()
    with pytest.raises(socket.gaierror):
        await dial(dialer)

    name(good)

    assert await dial(dialer) == good


async def test_one_who_leaves_does_not_spoil_it_for_the_others(name: Names, good: Address) -> None:
    name(good, delay=0.05)
    dialer = Dialer()
    leaving, staying = (asyncio.create_task(dial(dialer)) for _ in range(2))
    await asyncio.sleep(0)

    leaving.cancel()

    assert await staying == good


async def test_one_who_leaves_leaves_no_socket(name: Names, hanging: Address, good: Address) -> None:
    files = len(os.listdir("/proc/self/fd"))
    name(hanging, hanging, good)
    for pause in (0, 0.01, HEAD_START * 1.5, HEAD_START * 2, HEAD_START * 2 + 0.001):
        task = asyncio.create_task(dial())
        await asyncio.sleep(pause)
        task.cancel()
        await asyncio.wait([task])

    await until(lambda: len(os.listdir("/proc/self/fd")) <= files)
