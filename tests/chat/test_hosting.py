"""Where data goes: no prompt leaves for a provider that its course or its model does not admit, even in an outage."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from apps.accounts.models import Course
from apps.providers.models import Model, Provider
from apps.quotas.models import QuotaPolicy
from tests import factories
from tests.chat.world import World, make_world, wait_until
from tests.live import Gateway
from tests.provider_stub import ProviderStub


@pytest.fixture
def far() -> Iterator[ProviderStub]:
    with ProviderStub() as stub:
        yield stub


@pytest.fixture
def world(committed_db: None, gateway: Gateway, stub: ProviderStub, far: ProviderStub) -> Iterator[World]:
    """A model that a machine of the institution's own in the EU answers, and another company if that fails."""
    with make_world(gateway, stub, far) as world:
        near, other = world.providers
        Provider.objects.filter(pk=near.pk).update(hosting="own", region="eu-north")
        Provider.objects.filter(pk=other.pk).update(hosting="external", region="us")
        seen(world, hosting="external", regions=["eu-north", "us"])
        yield world


def listed(world: World) -> dict[str, Any] | None:
    models = {model["id"]: model for model in world.get("/v1/models").json()["data"]}
    return models.get(world.model.name)


def seen(world: World, **expected: Any) -> None:
    """Wait until the gateway lists the model like this."""
    wait_until(
        lambda: {name: (listed(world) or {}).get(name) for name in expected} == expected, what="The change of hosting"
    )


def demand(world: World, **demanded: str) -> None:
    Course.objects.filter(pk=world.course.pk).update(**demanded)


def no_longer_listed(world: World) -> httpx.Response:
    wait_until(lambda: listed(world) is None, what="The new demand")
    return world.post(world.body())


def test_without_a_demand_another_company_answers_in_an_outage(
    world: World, stub: ProviderStub, far: ProviderStub
) -> None:
    stub.will(status=503)

    response = world.post(world.body())

    assert response.status_code == 200 and len(far.journal) == 1


@pytest.mark.parametrize("demanded", [{"hosting": "own"}, {"hosting": "contracted"}, {"region": "eu"}])
def test_nothing_crosses_the_demand_of_a_course(
    world: World, stub: ProviderStub, far: ProviderStub, demanded: dict[str, str]
) -> None:
    demand(world, **demanded)
    seen(world, hosting="own", regions=["eu-north"])
    stub.always(status=503)

    response = world.post(world.body())

    assert response.status_code >= 500
    assert stub.journal and not far.journal


def test_a_model_that_a_course_cannot_reach_is_not_listed_and_says_why(
    world: World, stub: ProviderStub, far: ProviderStub
) -> None:
    demand(world, region="asia")

    refused = no_longer_listed(world)
    retrieved = world.get(f"/v1/models/{world.model.name}")

    for response in (refused, retrieved):
        error = response.json()["error"]
        assert (response.status_code, error["code"], error["fixed_by"]) == (403, "no_allowed_hosting", "instructor")
        assert "region 'asia'" in error["message"]
    assert not stub.journal and not far.journal


def test_nothing_crosses_the_demand_of_a_model(world: World, stub: ProviderStub, far: ProviderStub) -> None:
    Model.objects.filter(pk=world.model.pk).update(hosting="own")
    seen(world, hosting="own")
    stub.always(status=503)

    assert world.post(world.body()).status_code >= 500
    assert not far.journal


def test_a_model_without_a_deployment_where_it_demands_one_is_the_operator_s(world: World) -> None:
    Model.objects.filter(pk=world.model.pk).update(region="asia")

    error = no_longer_listed(world).json()["error"]

    assert (error["code"], error["fixed_by"]) == ("no_allowed_hosting", "operator")


def test_a_fallback_model_does_not_cross_it_either(
    committed_db: None, gateway: Gateway, stub: ProviderStub, far: ProviderStub
) -> None:
    policy = {"student_weekly_tokens": 1000, "after_exhaustion": "fallback", "fallback_student_weekly_tokens": 500}
    with make_world(gateway, stub, policy=policy, used=1000) as world:
        Provider.objects.update(hosting="own")
        cheap = factories.make_model(factories.make_provider(base_url=far.base_url), course=world.course)
        QuotaPolicy.objects.filter(course=world.course).update(fallback_model=cheap.name)
        demand(world, hosting="own")
        seen(world, hosting="own")
        wait_until(lambda: (world.usage().get("fallback") or {}).get("model") == cheap.name, what="The fallback model")

        response = world.post(world.body())

    assert response.json()["error"]["code"] == "insufficient_quota"
    assert not far.journal
