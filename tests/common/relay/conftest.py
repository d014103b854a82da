"""The relay is tested on both loops: uvloop, which serves, and asyncio's own, which is the reference."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
import uvloop

from apps.common import pools
from apps.common.clients import RelayClient
from tests.common.relay.certificates import Authority
from tests.common.relay.raw import LIMITS


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def client() -> AsyncIterator[RelayClient]:
    client = RelayClient(LIMITS)
    yield client
    assert client.open_connections() == 0
    await client.close()


@pytest.fixture(scope="package")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One that this process trusts, as it does those of the system."""
    authority = Authority(Path(tmp_path_factory.mktemp("authority")))
    pools.TLS.load_verify_locations(authority.path)
    return authority
