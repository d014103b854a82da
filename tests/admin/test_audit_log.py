"""The pages of the audit log: found by everybody whose course it is, readable, and closed to change."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from apps.accounts.audit import record, security_event
from apps.accounts.models import AuditEntry, Course
from apps.common.actors import Actor, acting
from apps.conversations.models import DeadLetter
from tests import factories
from tests.admin.conftest import sign_in
from tests.admin.world import CourseWorld, list_of, page_of

LIST = list_of(AuditEntry)


@pytest.fixture
def entry(world: CourseWorld) -> AuditEntry:
    with acting(Actor("person", 5, "tess", "192.0.2.7", "e" * 32)):
        record("course.changed", subject=world.course, before={"title": "<b>Old</b>"}, after={"title": "New", "n": [1]})
    return AuditEntry.objects.latest("pk")


def listed(client: Client, **query: str) -> list[str]:
    page = client.get(LIST, query)
    assert page.status_code == 200
    return [row.action for row in page.context["cl"].result_list]


def test_an_instructor_sees_the_entries_of_their_course_alone(
    instructor: Client, entry: AuditEntry, foreign: CourseWorld
) -> None:
    record("course.changed", subject=foreign.course)
    record("provider.changed", subject=factories.make_provider())
    page = instructor.get(LIST)

    assert {row.course for row in page.context["cl"].result_list} == {entry.course}


def test_an_operator_sees_all(operator: Client, entry: AuditEntry) -> None:
    record("provider.changed", subject=factories.make_provider())

    assert {"provider.changed", "course.changed"} <= set(listed(operator))


def test_an_assistant_does_not_learn_who_read_what(world: CourseWorld, entry: AuditEntry) -> None:
    client = sign_in(factories.make_assistant(course=world.course).user)

    assert client.get(LIST).status_code == 403
    assert client.get(page_of(entry)).status_code in (403, 404)


def test_a_page_tells_the_difference_and_escapes_it(instructor: Client, entry: AuditEntry, world: CourseWorld) -> None:
    page = instructor.get(page_of(entry)).content.decode()

    assert "<del>&lt;b&gt;Old&lt;/b&gt;</del>" in page
    assert "<ins>New</ins>" in page and "<ins>[1]</ins>" in page
    assert page_of(world.course) in page
    assert "192.0.2.7" in page and "e" * 32 in page


def test_entries_are_found_by_who_action_object_and_address(operator: Client, entry: AuditEntry) -> None:
    for words in ("tess", "course.changed", "192.0.2.7", entry.object_label):
        assert "course.changed" in listed(operator, q=words)
    assert listed(operator, q="nothing-of-the-kind") == []


def test_filters_narrow_the_list(operator: Client, entry: AuditEntry) -> None:
    security_event("key.guessed", note="many")
    now = datetime.now(UTC)
    AuditEntry.objects.create(at=now - timedelta(days=3), actor_kind="task", actor_name="t", action="old.entry")

    assert set(listed(operator, about="keys")) >= {"key.guessed"}
    assert "course.changed" not in listed(operator, about="keys")
    assert listed(operator, who="task") == ["old.entry"]
    assert "old.entry" not in listed(operator, since="day")
    assert listed(operator, is_security__exact="1") == ["key.guessed"]
    assert {"course.changed"} <= set(listed(operator, course=str(entry.course)))


def test_a_course_of_others_is_no_choice(instructor: Client, foreign: CourseWorld) -> None:
    assert listed(instructor, course=str(foreign.course.pk)) == []


def test_the_history_of_a_row_is_its_part_of_the_log(operator: Client, world: CourseWorld) -> None:
    Course.objects.filter(pk=world.course.pk).update(title="Changed")
    page = operator.get(page_of(world.course, "history"), follow=True)

    rows = page.context["cl"].result_list
    assert rows[0].action == "course.changed"
    assert {(row.object_type, row.object_id) for row in rows} == {("accounts.course", str(world.course.pk))}


def test_what_is_done_in_the_admin_names_the_person(operator: Client, world: CourseWorld) -> None:
    answer = operator.post(
        list_of(type(world.student)), {"action": "deactivate", "_selected_action": [world.student.pk]}
    )

    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.actor_kind, entry.after) == ("membership.changed", "person", {"is_active": False})
    assert entry.actor_name and entry.address == "127.0.0.1"
    assert entry.request_id == answer.headers["x-request-id"]


def test_keys_issued_for_many_name_who_issued_them(operator: Client, world: CourseWorld) -> None:
    operator.post(f"/admin/accounts/membership/course/{world.course.pk}/keys/", {"confirmed": "x", "also": "yes"})

    entry = AuditEntry.objects.latest("pk")
    key = world.student.api_keys.first()
    assert key is not None and key.issued_by is not None
    assert (entry.action, entry.object_id, entry.actor_id) == ("key.issued", str(key.pk), key.issued_by_id)
    assert entry.course == world.course.pk


def test_dead_letters_that_are_deleted_are_told(operator: Client, world: CourseWorld) -> None:
    letter = DeadLetter.objects.create(call=world.call.pk, record={"body": "{}"}, error="DataError()")
    operator.post(page_of(letter, "delete"), {"post": "yes"})

    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.after) == ("dead_letters.deleted", {"deleted": 1, "calls": [world.call.pk]})


def test_reading_a_conversation_is_an_entry_without_its_text(instructor: Client, world: CourseWorld) -> None:
    instructor.get(page_of(world.thread))
    instructor.get(page_of(world.call))

    read, opened = AuditEntry.objects.order_by("-pk")[:2]
    assert (opened.action, read.action) == ("conversation.read", "call.read")
    assert (read.object_id, read.course) == (world.call.pk, world.course.pk)
    assert world.thread.title not in opened.object_label


def test_an_export_is_an_entry(instructor: Client, world: CourseWorld) -> None:
    list(instructor.get(f"/admin/c/{world.course.slug}/students/export/"))

    assert AuditEntry.objects.latest("pk").action == "allowances.exported"


def test_a_list_of_many_takes_as_many_queries(
    operator: Client, entry: AuditEntry, django_assert_max_num_queries: object
) -> None:
    for _ in range(60):
        record("course.changed", note="x")

    with django_assert_max_num_queries(12):  # type: ignore[operator]
        operator.get(LIST)
