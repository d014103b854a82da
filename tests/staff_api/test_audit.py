"""The audit log in the staff API: who finds which entries, and how."""

from typing import Any

import pytest
from django.test import Client

from apps.accounts.audit import record, security_event
from apps.accounts.models import AuditEntry, Course, Membership
from apps.common.actors import Actor, acting
from tests import factories
from tests.admin.conftest import sign_in
from tests.staff_api.asking import page, refusal

AUDIT = "/api/staff/audit"


@pytest.fixture
def operator(db: None) -> Client:
    return sign_in(factories.make_operator())


@pytest.fixture
def entry(ada: Membership) -> AuditEntry:
    with acting(Actor("person", 3, "tess", "192.0.2.7", "d" * 32)):
        record("key.tried", subject=ada, before={"a": 1}, after={"a": 2}, note="n")
    return AuditEntry.objects.latest("pk")


def found(client: Client, **query: Any) -> list[int]:
    return [row["id"] for row in client.get(AUDIT, query).json()["results"]]


def test_an_entry_has_everything_that_is_known(operator: Client, entry: AuditEntry, course: Course) -> None:
    told = operator.get(f"{AUDIT}/{entry.pk}").json()

    assert told == {
        "id": entry.pk,
        "at": told["at"],
        "actor_kind": "person",
        "actor_id": 3,
        "actor_name": "tess",
        "action": "key.tried",
        "object_type": "accounts.membership",
        "object_id": entry.object_id,
        "object_label": entry.object_label,
        "course": course.slug,
        "before": {"a": 1},
        "after": {"a": 2},
        "address": "192.0.2.7",
        "request_id": "d" * 32,
        "note": "n",
        "security": False,
    }


def test_instructors_find_their_courses_entries_alone(entry: AuditEntry, course: Course) -> None:
    other = factories.make_course(slug="other")
    record("course.changed", subject=other)
    record("provider.changed")
    client = sign_in(factories.make_instructor(course=course).user)

    rows = page(client, AUDIT)["results"]
    assert {row["course"] for row in rows} == {course.slug}
    assert client.get(f"{AUDIT}/{AuditEntry.objects.filter(course=other.pk).latest('pk').pk}").status_code == 404
    assert found(client, course="other") == []


def test_assistants_find_none(entry: AuditEntry, course: Course) -> None:
    assert found(sign_in(factories.make_assistant(course=course).user)) == []


def test_every_filter_narrows(operator: Client, entry: AuditEntry) -> None:
    security_event("key.guessed")
    for query in (
        {"action": "key.tried"},
        {"actor": "tess"},
        {
            "object_type": "accounts.membership",
            "object_id": entry.object_id,
            "security": "false",
            "action": "key.tried",
        },
        {"address": "192.0.2.7"},
        {"request_id": "d" * 32},
    ):
        assert found(operator, **query) == [entry.pk], query
    assert entry.pk not in found(operator, security="true")
    assert entry.pk not in found(operator, before="2020-01-01T00:00:00Z")
    assert entry.pk in found(operator, after="2020-01-01T00:00:00Z")


def test_pages_follow_one_another(operator: Client, entry: AuditEntry) -> None:
    for _ in range(5):
        record("x.y")
    first = page(operator, AUDIT, page_size=3, action="x.y")
    second = operator.get(first["next"]).json()

    ids = [row["id"] for row in first["results"] + second["results"]]
    assert len(ids) == 5 and ids == sorted(ids, reverse=True)


@pytest.mark.parametrize("query", [{"cursor": "cD1hYmM="}, {"security": "maybe"}, {"nothing": "x"}, {"page_size": "0"}])
def test_what_makes_no_sense_is_refused(operator: Client, query: dict[str, str]) -> None:
    answer = operator.get(AUDIT, query)

    assert answer.status_code == 400
    assert refusal(answer)["fixed_by"]


def test_the_api_changes_nothing(operator: Client, entry: AuditEntry) -> None:
    assert operator.delete(f"{AUDIT}/{entry.pk}").status_code in (403, 405)
    assert AuditEntry.objects.filter(pk=entry.pk).exists()
