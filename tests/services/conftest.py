"""Services are tested through HTTP, against the real product and instances of the example users service.

`service_world` is a service with the one instance `users`, and a student who may call it. A test that needs other
settings, or two instances (`pair`), calls `make_service_world`.
"""

from collections.abc import Iterator

import pytest

from tests.live import Gateway
from tests.services.instances import UsersInstance
from tests.services.world import ServicePool, ServiceWorld


@pytest.fixture(scope="session")
def lasting_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[UsersInstance, UsersInstance]]:
    file = tmp_path_factory.mktemp("users") / "users.sqlite3"
    with UsersInstance(file) as first, UsersInstance(file) as second:
        yield first, second


@pytest.fixture
def pair(lasting_pair: tuple[UsersInstance, UsersInstance]) -> tuple[UsersInstance, UsersInstance]:
    """Two instances that share their users, without plans and with empty journals. A test may kill them."""
    for instance in lasting_pair:
        instance.renew()
    return lasting_pair


@pytest.fixture
def users(pair: tuple[UsersInstance, UsersInstance]) -> UsersInstance:
    return pair[0]


@pytest.fixture(scope="session")
def service_pool(gateway: Gateway, lasting_pair: tuple[UsersInstance, UsersInstance]) -> Iterator[ServicePool]:
    with ServicePool(gateway, lasting_pair[0]) as pool:
        yield pool


@pytest.fixture
def service_world(committed_db: None, users: UsersInstance, service_pool: ServicePool) -> ServiceWorld:
    """A service with one instance, `users`, and all else as it is by default."""
    return service_pool.take()
