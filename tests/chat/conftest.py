"""The promise to students is tested through HTTP, against the real product.

`world` is a student with quota, `stub` the provider behind it. A module that needs another world overrides `pool`; a
test that needs one of its own calls `make_world`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests.chat.pool import Ready, WorldPool
from tests.chat.world import PATIENCE, World, wait_until
from tests.live import WITHOUT_CELERY, Gateway, separate_gateway
from tests.provider_stub import ProviderStub
from tests.servers import Redis

GRACE = 5.0  # a machine that stands still for as long as that is no reason to stop a provider

if "postgresql" in settings.DATABASES["default"]["ENGINE"]:
    collect_ignore = ["test_locked_database.py", "test_overload.py"]  # there, nobody can lock all of it


@pytest.fixture(scope="session")
def pool(gateway: Gateway) -> Iterator[WorldPool]:
    with WorldPool(gateway, batch=32) as pool:
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


@pytest.fixture(scope="session")
def lasting_redis() -> Iterator[Redis]:
    with Redis() as server:
        yield server


@pytest.fixture(scope="session")
def two_with_redis(pristine: Path, lasting_redis: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway of two web processes that share a Redis (`redis`), with a database of its own (`models_on`)."""
    settings = {
        "WEB_CONCURRENCY": "2",
        "REDIS_URL": lasting_redis.url(),
        "REDIS_TIMEOUT": str(PATIENCE),  # a busy machine is no reason to count without Redis
        "CLIENT_LEFT_GRACE": str(GRACE),
    }
    with separate_gateway(pristine, tmp_path_factory.mktemp("redis"), **settings, **WITHOUT_CELERY) as gateway:
        yield gateway


@pytest.fixture
def redis(two_with_redis: Gateway, lasting_redis: Redis) -> Iterator[Redis]:
    """The Redis of `two_with_redis`. A test that kills it starts it again; then both processes go by it again."""
    yield lasting_redis
    wait_until(lambda: _is_missed_by_nobody(two_with_redis), what="The return of Redis to all who missed it")


def _is_missed_by_nobody(gateway: Gateway) -> bool:
    log = gateway.log.read_text()
    return log.count("Redis does not answer in time") == log.count("Redis answers again")
