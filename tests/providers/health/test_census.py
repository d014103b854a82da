"""How many are in which state, for the metrics."""

from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from apps.providers.catalogue import Catalogue
from apps.providers.failures import UpstreamRefused
from apps.providers.health.census import census
from apps.providers.health.memory import Health
from apps.providers.routing import Candidate
from tests.providers.test_routing import a_route, a_secret, a_target

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def test_each_deployment_and_each_credential_counts_once() -> None:
    secret, health = a_secret("main"), Health()
    one = a_target("first", deployment_id=1, secrets=(secret,))
    two = a_target("first", deployment_id=2, secrets=(secret,))
    catalogue = Catalogue(routes=MappingProxyType({"m": a_route(one, two)}), allowed={})
    health.failed(Candidate(one, secret), UpstreamRefused("missing", detail=""), now=NOW)
    health.failed(Candidate(one, secret), UpstreamRefused("rate", detail=""), now=NOW)

    deployments, credentials = census(catalogue, health, NOW)
    _, afterwards = census(catalogue, health, NOW + timedelta(seconds=20))

    assert {state: count for (_, state), count in deployments.items() if count} == {"well": 1, "open": 1}
    assert {state: count for (_, state), count in credentials.items() if count} == {"cooling": 1}
    assert {state: count for (_, state), count in afterwards.items() if count} == {"well": 1}
