"""Services at a glance: how they did in the last hour, and steering instances by hand."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from apps.services.admin.glance import cards
from apps.services.models import InstanceHealth, Service, ServiceCount
from tests import factories

NOW = datetime(2026, 11, 2, 12, 0, 30, tzinfo=UTC)


@pytest.fixture
def service(db: None) -> Service:
    return factories.make_service("http://127.0.0.1:1", "http://127.0.0.1:2")


def make_count(service: Service, *, instance: int = 0, minutes_ago: int = 0, requests: int = 1, **values: str) -> None:
    """Of answers within 100 milliseconds, unless the outcome says otherwise."""
    minute = NOW.replace(second=0) - timedelta(minutes=minutes_ago)
    fixed = {"service": service.pk, "instance": instance, "minute": minute, "bucket": 6, "requests": requests}
    ServiceCount.objects.create(**{**fixed, "bytes_in": 10, "bytes_out": 20, "outcome": "answered", **values})


def page(client: Client) -> str:
    answer = client.get(reverse("admin:services_service_glance"))
    assert answer.status_code == 200
    return answer.content.decode()


def test_it_sums_up_the_last_hour(service: Service) -> None:
    first, second = service.instances.order_by("pk")
    make_count(service, instance=first.pk, requests=80)
    make_count(service, instance=second.pk, requests=15, minutes_ago=59)
    make_count(service, instance=second.pk, requests=5, outcome="failed", minutes_ago=2)
    make_count(service, requests=7, outcome="refused")
    make_count(service, instance=first.pk, requests=1_000, minutes_ago=60)

    (card,) = cards(now=NOW)

    assert (card.figures.requests, card.figures.trouble, card.figures.refused) == (100, 5, 7)
    assert card.figures.times is not None and 50 < card.figures.times.p50 <= 100
    assert [line.figures.requests for line in card.lines] == [80, 20]
    assert dict(card.chart.totals) == {"answered": 95, "declined": 0, "refused": 7, "failed": 5}


def test_it_says_in_plain_words_how_an_instance_is(service: Service, operator: Client) -> None:
    bad = service.instances.order_by("pk")[1]
    until = datetime.now(UTC) + timedelta(minutes=5)
    InstanceHealth.objects.create(
        instance=bad, standing="open", until=until, error="It did not begin to answer in time.", failed_at=NOW
    )

    shown = page(operator)

    assert "1 of 2 well" in shown
    assert "It failed too often; others are asked." in shown
    assert "It did not begin to answer in time. (Mon 2 Nov 12:00)" in shown


def test_a_service_without_instances_says_so(operator: Client) -> None:
    factories.make_service()

    assert "Every request is answered 503." in page(operator)


def test_without_services_it_says_what_to_do(operator: Client) -> None:
    assert "Add the first one" in page(operator)


def test_it_takes_the_same_queries_for_many_services(
    service: Service, operator: Client, django_assert_max_num_queries: object
) -> None:
    page(operator)
    for _ in range(5):
        factories.make_service("http://127.0.0.1:3")

    with django_assert_max_num_queries(12):  # type: ignore[operator]
        page(operator)


@pytest.mark.parametrize(
    ("move", "force", "is_draining", "words"),
    [
        ("up", "up", False, "forced up"),
        ("down", "down", False, "forced down"),
        ("drain", "", True, "draining"),
        ("", "", False, "back to automatic"),
    ],
)
def test_an_operator_steers_an_instance(
    service: Service, operator: Client, move: str, force: str, is_draining: bool, words: str
) -> None:
    instance = service.instances.order_by("pk")[0]
    instance.steer("down" if move == "up" else "up")

    answer = operator.post(reverse("admin:services_instance_steer", args=[instance.pk]), {"move": move}, follow=True)

    instance.refresh_from_db()
    assert (instance.force, instance.is_draining) == (force, is_draining)
    assert words in answer.content.decode()


def test_other_moves_do_not_exist(service: Service, operator: Client) -> None:
    address = reverse("admin:services_instance_steer", args=[service.instances.order_by("pk")[0].pk])

    assert operator.post(address, {"move": "sideways"}).status_code == 404
    assert operator.get(address).status_code == 405
