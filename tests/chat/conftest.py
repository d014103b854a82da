"""The promise to students is tested through HTTP, against the real product."""

from collections.abc import Iterator

import pytest

from tests.chat.world import World, make_world
from tests.live import Gateway
from tests.provider_stub import ProviderStub


@pytest.fixture
def world(committed_db: None, gateway: Gateway, stub: ProviderStub) -> Iterator[World]:
    """A student with quota, and a good provider."""
    with make_world(gateway, stub) as world:
        yield world
