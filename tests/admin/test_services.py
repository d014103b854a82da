"""The pages of services: what changes is shown before it is saved, and one can go back to every version."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.common.actors import Actor, acting
from apps.services.models import Instance, Service, together
from tests import factories
from tests.admin.world import add_page, page_of

URL = "http://127.0.0.1:9300"


@pytest.fixture
def service(db: None) -> Service:
    with together():
        return factories.make_service(URL, name="users", set_request_headers={"X-Key": "the-secret"})


def form_of(page: Any) -> dict[str, Any]:
    """All that a browser would post from this page."""
    shown = page.context["adminform"].form
    forms = [shown, *(form for one in page.context["inline_admin_formsets"] for form in _rows(one.formset))]
    values = {bound.html_name: bound.value() for form in forms for bound in form}
    values |= dict(re.findall(r'type="hidden" name="(confirmed)" value="(\w+)"', page.content.decode()))
    return {name: value for name, value in values.items() if value is not None and value is not False}


def _rows(formset: Any) -> list[Any]:
    return [formset.management_form, *formset.forms]


def opened(client: Client, service: Service, **changed: Any) -> dict[str, Any]:
    return {**form_of(client.get(page_of(service))), **changed}


def test_a_new_service_has_its_defaults_and_its_name_as_address(operator: Client) -> None:
    form = {**form_of(operator.get(add_page(Service))), "name": "users", "prefix": ""}

    answer = operator.post(add_page(Service), form)

    assert answer.status_code == 302, answer.context["errors"]
    service = Service.objects.get()
    assert (service.prefix, service.callers, service.retry_statuses) == (
        "users",
        ["student", "staff"],
        [502, 503, 504],
    )


def test_a_form_that_changes_nothing_saves_nothing(operator: Client, service: Service) -> None:
    answer = operator.post(page_of(service), opened(operator, service))

    assert answer.status_code == 302
    assert service.versions.count() == 1


def test_a_change_is_shown_first_with_all_that_was_entered(operator: Client, service: Service) -> None:
    form = opened(operator, service, owner="Team", note="We measured", tags="people\nbooks")
    form |= {"instances-0-weight": "3", "instances-TOTAL_FORMS": "2", "instances-1-url": "http://127.0.0.1:9301"}
    form |= {"instances-1-weight": "1"}

    asked = operator.post(page_of(service), form)

    assert asked.status_code == 200
    assert [str(one) for one in asked.context["review"]["differences"]] == [
        "owner: nothing → Team",
        "tags: nothing → people, books",
        "instance: nothing → http://127.0.0.1:9301, weight 1",
        f"instance {URL}: weight 1 → weight 3",
    ]
    assert b"the-secret" not in re.sub(rb"<textarea.*?</textarea>", b"", asked.content, flags=re.DOTALL)
    assert service.versions.count() == 1 and Service.objects.get().owner == ""
    kept = form_of(asked)
    assert {name: str(kept[name]) for name in form} == {name: str(value) for name, value in form.items()}

    saved = operator.post(page_of(service), kept)

    assert saved.status_code == 302
    version = service.versions.get(number=2)
    assert version.note == "We measured" and version.author is not None
    assert sorted(Instance.objects.values_list("url", "weight")) == [(URL, 3), ("http://127.0.0.1:9301", 1)]


def test_what_others_changed_meanwhile_is_shown_before_it_is_undone(operator: Client, service: Service) -> None:
    asked = operator.post(page_of(service), opened(operator, service, owner="Team"))
    Service.objects.update(requests_per_minute=60)

    again = operator.post(page_of(service), form_of(asked))

    assert again.status_code == 200
    assert [str(one) for one in again.context["review"]["differences"]] == [
        "owner: nothing → Team",
        "requests per minute: 60 → nothing",
    ]
    assert Service.objects.get().requests_per_minute == 60


def test_an_instance_that_somebody_removed_meanwhile_is_told(operator: Client, service: Service) -> None:
    form = opened(operator, service, owner="Team")
    Instance.objects.all().delete()

    page = operator.post(page_of(service), form)

    assert "Somebody has removed one of these meanwhile." in page.content.decode()
    assert Service.objects.get().owner == ""


WRONG = {
    "prefix": ("batch", "reserved"),
    "callers": ([], "required"),
    "cors_origins": ("*", "is no origin"),
    "retry_statuses": ("50x", "with commas between"),
    "set_request_headers": ("no colon", "a colon and the value"),
    "set_response_headers": ("A: 1\nA: 2", "given twice"),
    "remove_request_headers": ("Via", "Stoa decides it"),
    "rewrites": ('[{"from": "a", "to": "/b"}]', "no beginning of a path"),
    "route_limits": ("{", "valid JSON"),
    "health_statuses": ("2xx", "ranges"),
    "sample_percent": ("101", "less than or equal to 100"),
}


def test_an_invalid_change_names_its_fields_and_changes_nothing(operator: Client, service: Service) -> None:
    before = service.document()

    page = operator.post(
        page_of(service), opened(operator, service, **{name: value for name, (value, _) in WRONG.items()})
    )

    errors = page.context["adminform"].form.errors
    assert set(errors) == set(WRONG)
    assert [name for name, (_, says) in WRONG.items() if says not in errors[name][0]] == []
    assert Service.objects.get(pk=service.pk).document() == before


def test_fields_that_contradict_each_other_or_other_services_are_named(operator: Client, service: Service) -> None:
    factories.make_service(name="library")

    page = operator.post(
        page_of(service), opened(operator, service, prefix="library", burst="9", requests_per_minute="5")
    )

    assert set(page.context["adminform"].form.errors) == {"prefix", "burst"}


def test_an_instance_in_our_network_needs_the_permission_in_the_same_form(operator: Client, service: Service) -> None:
    form = opened(operator, service)
    del form["allow_private_network"]

    page = operator.post(page_of(service), form)

    [rows] = [one.formset for one in page.context["inline_admin_formsets"] if one.formset.model is Instance]
    assert "not on the public internet" in rows.errors[0]["url"][0]
    assert Service.objects.get().allow_private_network


ODD_JSON = {
    "nested": "[" * 100_000,
    "nested and closed": "[" * 900 + "]" * 900,
    "a long number": "1" * 5000,
    "half a character": '[{"from": "/a/", "to": "\\ud800"}]',
    "not a number": '[{"from": "/a/", "to": NaN}]',
    "null": "null",
    "an object": "{}",
}


@pytest.mark.parametrize("text", ODD_JSON.values(), ids=ODD_JSON)
def test_odd_json_is_refused_and_shown_as_it_was_entered(operator: Client, service: Service, text: str) -> None:
    page = operator.post(page_of(service), opened(operator, service, rewrites=text, route_limits=text))

    assert set(page.context["adminform"].form.errors) == {"rewrites", "route_limits"}
    assert form_of(page)["rewrites"] == text


def test_spans_that_no_clock_can_add_are_refused(operator: Client, service: Service) -> None:
    """One of them would have stopped the health checks of all services."""
    spans = {"health_interval_seconds": "1e300", "breaker_longest_seconds": "1e15", "total_timeout_seconds": "86401"}

    page = operator.post(page_of(service), opened(operator, service, **spans))

    errors = page.context["adminform"].form.errors
    assert set(errors) == set(spans)
    assert all("less than or equal to 86400" in sentences[0] for sentences in errors.values())


def test_services_are_found_by_their_tags(operator: Client, service: Service) -> None:
    factories.make_service(name="library", tags=["books"])

    page = operator.get(reverse("admin:services_service_changelist"), {"q": "books"})

    assert [str(row) for row in page.context["cl"].result_list] == ["library"]


# Versions


def restore(service: Service, number: int) -> str:
    return reverse("admin:services_service_restore", args=[service.pk, number])


def test_the_page_tells_who_changed_what_and_why(operator: Client, service: Service) -> None:
    boss = factories.make_operator(username="boss")
    with acting(Actor("person", boss.pk)), together(note="More servers"):
        factories.make_instance(service, "http://127.0.0.1:9301")

    page = operator.get(page_of(service)).content.decode()

    assert "More servers" in page and "boss" in page and "http://127.0.0.1:9301, weight 1" in page


def test_going_back_asks_first_and_shows_the_difference(operator: Client, service: Service) -> None:
    service.owner = "Team"
    service.save()

    asked = operator.post(restore(service, 1))

    assert [str(one) for one in asked.context["review"]["differences"]] == ["owner: Team → nothing"]
    assert Service.objects.get().owner == "Team"

    operator.post(restore(service, 1), {"confirmed": asked.context["review"]["digest"]})

    assert Service.objects.get().owner == ""
    assert service.versions.get(number=3).note == "back to version 1"


def test_a_version_that_is_no_longer_valid_is_not_restored_and_says_why(operator: Client, service: Service) -> None:
    service.prefix = "people"
    service.save()
    factories.make_service(name="other", prefix="users")
    asked = operator.post(restore(service, 1))

    answer = operator.post(restore(service, 1), {"confirmed": asked.context["review"]["digest"]}, follow=True)

    assert "Not restored: prefix: The service other has this address already." in answer.content.decode()
    assert Service.objects.get(pk=service.pk).prefix == "people"


def test_no_get_and_no_missing_version_restores_anything(operator: Client, service: Service) -> None:
    assert operator.get(restore(service, 1)).status_code == 405
    assert operator.post(restore(service, 99)).status_code == 404
