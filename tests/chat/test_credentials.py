"""Our secrets for providers, and the addresses that may be called with them."""

import pytest

from tests import factories
from tests.chat.world import make_world, wait_until
from tests.live import Gateway
from tests.provider_stub import ProviderStub

pytestmark = pytest.mark.usefixtures("committed_db")


def test_another_credential_is_tried_when_one_is_refused(gateway: Gateway, stub: ProviderStub) -> None:
    provider = factories.make_provider(base_url=stub.base_url, secret="first")
    factories.make_credential(provider, secret="second")
    stub.will(status=401)
    with make_world(gateway) as world:
        factories.make_deployment(world.model, provider)
        wait_until(lambda: world.post().status_code == 200)

    assert {exchange.headers["authorization"] for exchange in stub.journal[:2]} == {"Bearer first", "Bearer second"}


def test_a_credential_that_is_disabled_is_not_used(gateway: Gateway, stub: ProviderStub) -> None:
    provider = factories.make_provider(base_url=stub.base_url, secret="first")
    factories.make_credential(provider, secret="second", is_enabled=False)
    with make_world(gateway) as world:
        factories.make_deployment(world.model, provider)
        wait_until(lambda: world.post().status_code == 200)
        for _ in range(10):
            world.post()

    assert {exchange.headers["authorization"] for exchange in stub.journal} == {"Bearer first"}


def test_a_local_provider_needs_none(gateway: Gateway, stub: ProviderStub) -> None:
    provider = factories.make_provider(base_url=stub.base_url, secret="")
    with make_world(gateway) as world:
        factories.make_deployment(world.model, provider)
        wait_until(lambda: world.post().status_code == 200)

    assert "authorization" not in stub.last.headers


def test_a_provider_inside_our_network_is_not_called_unless_that_is_allowed(
    gateway: Gateway, stub: ProviderStub
) -> None:
    with make_world(gateway, stub, provider={"allow_private_network": False}) as world:
        response = world.post()

        assert response.status_code == 502
        assert response.json()["error"]["code"] == "upstream_error"
    assert stub.journal == []
