"""The promise to students is tested through HTTP, against the real product.

`world` is a student with quota, `stub` the provider behind it. A module that needs another world overrides `pool`; a
test that needs one of its own calls `make_world`.
"""

from collections.abc import Iterator

import pytest
from django.conf import settings

from tests.chat.pool import Ready, WorldPool
from tests.chat.world import World
from tests.live import Gateway
from tests.provider_stub import ProviderStub

if "postgresql" in settings.DATABASES["default"]["ENGINE"]:
    collect_ignore = ["test_locked_database.py", "test_overload.py"]  # there, nobody can lock all of it


@pytest.fixture(scope="session")
def pool(gateway: Gateway) -> Iterator[WorldPool]:
    with WorldPool(gateway, batch=16) as pool:
        yield pool


@pytest.fixture
def ready(committed_db: None, pool: WorldPool) -> Iterator[Ready]:
    ready = pool.take()
    yield ready
    for stub in ready.stubs:
        stub.stop()


@pytest.fixture
def world(ready: Ready) -> World:
    return ready.world


@pytest.fixture
def plain_stub() -> Iterator[ProviderStub]:
    """A provider that belongs to no world yet."""
    with ProviderStub() as stub:
        yield stub


@pytest.fixture
def stub(ready: Ready) -> ProviderStub:
    return ready.stubs[0]
