"""The relay is tested on both loops: uvloop, which serves, and asyncio's own, which is the reference."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from apps.common.clients import RelayClient
from tests.common.relay.raw import LIMITS


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def client() -> AsyncIterator[RelayClient]:
    client = RelayClient(LIMITS)
    yield client
    assert client.open_connections() == 0
    await client.close()
