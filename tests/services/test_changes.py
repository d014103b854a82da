"""What operators change holds for requests within two seconds, without a restart."""

import pytest
from django.core.exceptions import ValidationError

from apps.services.models import Service
from tests.chat.world import wait_until
from tests.services.world import ServiceWorld


def seen(world: ServiceWorld, status: int) -> None:
    wait_until(lambda: world.get("/health").status_code == status, what=f"The answer {status}", every=0.1)


def test_a_service_that_is_switched_off_is_not_found_until_somebody_goes_back(service_world: ServiceWorld) -> None:
    service_world.change(is_enabled=False)
    seen(service_world, 404)

    assert service_world.get("/health").json()["code"] == "unknown_service"

    first = service_world.service.versions.order_by("number")[1]  # the one with its instance
    service_world.service.restore(first)

    seen(service_world, 200)


def test_a_deleted_service_is_not_found(service_world: ServiceWorld) -> None:
    service_world.service.delete()

    seen(service_world, 404)


def test_a_change_that_is_refused_leaves_the_service_as_it_runs(service_world: ServiceWorld) -> None:
    service = Service.objects.get(pk=service_world.service.pk)
    version = service.versions.order_by("number")[0]
    version.fields["prefix"] = "batch"

    with pytest.raises(ValidationError):
        service.restore(version)

    assert service_world.get("/health").status_code == 200
    assert service.versions.count() == 2
