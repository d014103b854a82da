"""API keys: issued in the admin, shown once, revoked and replaced."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import ApiKey, AuditEntry, Membership
from tests import factories
from tests.admin.allowances import rows_of
from tests.admin.conftest import sign_in
from tests.admin.world import COURSE_MODELS, CourseWorld, add_page, list_of, page_of

NEW = "/admin/accounts/apikey/new/"


def add(client: Client, member: Membership) -> Any:
    return client.post(add_page(ApiKey), {"membership": member.pk, "name": "laptop"})


def issue(client: Client, member: Membership) -> str:
    """Issue a key in the admin and read it from the page."""
    add(client, member)
    [key] = client.get(NEW).context["issued"]
    return str(key.text)


def hand_out(client: Client, world: CourseWorld, *members: Membership, **values: str) -> Any:
    """Confirm the page that hands out keys, to all students unless some are named."""
    address = reverse("admin:accounts_membership_keys", args=[world.course.pk])
    asked = client.post(address, {"member": [member.pk for member in members]})
    sent = {"member": [member.pk for member in members], "confirmed": asked.context["once"], **values}
    return client.post(address, sent)


def test_a_new_key_is_shown_in_full(instructor: Client, world: CourseWorld) -> None:
    answer = add(instructor, world.student)
    page = instructor.get(answer.url)

    key = ApiKey.objects.get(name="laptop")
    [shown] = page.context["issued"]
    assert shown.text in page.content.decode()
    assert shown.text.endswith(key.last_four)
    assert shown.text not in answer.url


def test_reloading_the_page_issues_and_shows_nothing_again(instructor: Client, world: CourseWorld) -> None:
    text = issue(instructor, world.student)
    count = ApiKey.objects.count()

    again = instructor.get(NEW)

    assert ApiKey.objects.count() == count
    assert text not in again.content.decode()
    assert "shown once" in again.content.decode()


def test_leaving_before_looking_loses_nothing(instructor: Client, world: CourseWorld) -> None:
    """Not even by a request for the headers alone, or by another key that is issued meanwhile."""
    add(instructor, world.student)
    instructor.get("/admin/", follow=True)
    assert instructor.head(NEW).status_code == 405
    add(instructor, world.student)

    assert len(instructor.get(NEW).context["issued"]) == 2


def test_new_keys_are_for_the_session_that_issued_them(
    instructor: Client, teacher: Membership, world: CourseWorld
) -> None:
    add(instructor, world.student)
    other = sign_in(teacher.user)
    session = other.session
    session["new_keys"] = instructor.session["new_keys"]
    session.save()

    assert other.get(NEW).context["issued"] == []
    assert len(instructor.get(NEW).context["issued"]) == 1


def test_new_keys_are_encrypted_where_they_wait(instructor: Client, world: CourseWorld) -> None:
    add(instructor, world.student)

    [name] = instructor.session["new_keys"]
    waiting = cache.get(f"new-keys:{name}")
    [key] = instructor.get(NEW).context["issued"]
    assert waiting.startswith("v1:")
    assert key.text not in waiting
    assert cache.get(f"new-keys:{name}") is None


def test_nothing_is_issued_that_nobody_would_see(instructor: Client, world: CourseWorld, monkeypatch: Any) -> None:
    factories.make_student(course=world.course)
    count = ApiKey.objects.count()
    monkeypatch.setattr(cache, "add", lambda key, *_, **__: not key.startswith("new-keys:"))
    instructor.raise_request_exception = False

    assert hand_out(instructor, world).status_code == 500
    assert ApiKey.objects.count() == count


def test_what_is_shown_can_be_kept_as_a_file(instructor: Client, world: CourseWorld, teacher: Membership) -> None:
    add(instructor, world.student)
    page = instructor.get(NEW)
    [key] = page.context["issued"]
    file = {"keys": page.context["sealed"]}

    [row] = rows_of(instructor.post(f"{NEW}file/", file))

    assert (row["student_number"], row["key"]) == (world.student.external_id, key.text)
    assert AuditEntry.objects.latest("pk").action == "keys.exported"
    assert sign_in(teacher.user).post(f"{NEW}file/", file).status_code == 404


def test_a_key_is_shown_on_no_later_page(instructor: Client, world: CourseWorld) -> None:
    text = issue(instructor, world.student)

    pages = [instructor.get("/admin/"), *(instructor.get(list_of(model)) for model in COURSE_MODELS)]
    pages.append(instructor.get(page_of(ApiKey.objects.get(name="laptop"))))
    pages.append(instructor.get(page_of(ApiKey.objects.get(name="laptop"), "history")))

    assert [page for page in pages if text in page.content.decode()] == []


def test_a_key_is_kept_in_no_cookie_and_no_session(instructor: Client, world: CourseWorld) -> None:
    text = issue(instructor, world.student)

    assert text not in str(instructor.cookies)
    assert text not in str(dict(instructor.session))


def test_the_page_with_the_key_is_not_to_be_cached(instructor: Client, world: CourseWorld) -> None:
    add(instructor, world.student)

    assert "no-store" in instructor.get(NEW).headers["cache-control"]


def test_the_digest_is_on_no_page(operator: Client, world: CourseWorld) -> None:
    key = world.student.api_keys.get()

    pages = [operator.get(list_of(ApiKey)), operator.get(page_of(key)), operator.get(page_of(world.student))]

    assert [page for page in pages if key.digest in page.content.decode()] == []


def test_the_list_shows_the_end_of_a_key(instructor: Client, world: CourseWorld) -> None:
    page = instructor.get(list_of(ApiKey)).content.decode()

    assert f"stoa_sk_…{world.key_text[-4:]}" in page
    assert world.key_text not in page


def test_selected_keys_are_revoked(instructor: Client, world: CourseWorld) -> None:
    key = world.student.api_keys.get()

    instructor.post(list_of(ApiKey), {"action": "revoke", "_selected_action": [key.pk]})

    key.refresh_from_db()
    assert not key.is_valid(now=datetime.now(UTC))


# Handing out


def test_students_without_a_key_are_given_one(instructor: Client, world: CourseWorld) -> None:
    mia = factories.make_student(course=world.course)
    expired = factories.make_student(course=world.course)
    factories.make_key(expired, expires_at=timezone.now() - timedelta(days=1))

    asked = instructor.get(reverse("admin:accounts_membership_keys", args=[world.course.pk]))
    hand_out(instructor, world)

    assert "2 students without a key get one." in asked.content.decode()
    assert "1 student with a valid key gets none." in asked.content.decode()
    shown = {key.number for key in instructor.get(NEW).context["issued"]}
    assert shown == {mia.external_id, expired.external_id}


def test_who_has_a_key_gets_another_only_when_asked_for(instructor: Client, world: CourseWorld) -> None:
    members = [world.student, factories.make_student(course=world.course)]

    hand_out(instructor, world, *members)
    first = instructor.get(NEW).context["issued"]
    hand_out(instructor, world, *members, also="yes")

    assert [key.number for key in first] == [members[1].external_id]
    assert len(instructor.get(NEW).context["issued"]) == 2


def test_a_form_that_is_sent_twice_hands_out_once(instructor: Client, world: CourseWorld) -> None:
    address = reverse("admin:accounts_membership_keys", args=[world.course.pk])
    sent = {"confirmed": instructor.get(address).context["once"], "also": "yes"}

    for _ in range(2):
        instructor.post(address, sent)

    assert world.student.api_keys.count() == 2


def test_the_action_of_the_list_asks_first(instructor: Client, world: CourseWorld) -> None:
    mia = factories.make_student(course=world.course)

    page = instructor.post(list_of(Membership), {"action": "issue_keys", "_selected_action": [mia.pk]})

    assert "1 student without a key gets one." in page.content.decode()
    assert not mia.api_keys.exists()


def test_keys_are_handed_out_in_the_own_course_alone(
    instructor: Client, assistant: Client, world: CourseWorld, foreign: CourseWorld
) -> None:
    stranger = factories.make_student(course=foreign.course)

    hand_out(instructor, world, stranger)
    foreign_address = reverse("admin:accounts_membership_keys", args=[foreign.course.pk])

    assert not stranger.api_keys.exists()
    assert instructor.get(foreign_address).status_code == 404
    assert assistant.get(reverse("admin:accounts_membership_keys", args=[world.course.pk])).status_code == 404


# Revoking and replacing


def change(name: str, key: ApiKey) -> str:
    return reverse(f"admin:accounts_apikey_{name}", args=[key.pk])


def test_a_key_is_replaced_at_once(instructor: Client, world: CourseWorld) -> None:
    old = world.student.api_keys.get()
    ApiKey.objects.filter(pk=old.pk).update(name="lab", allowed_models="echo")

    asked = instructor.get(change("replace", old))
    instructor.post(change("replace", old), {"confirmed": "yes"})

    old.refresh_from_db()
    new = world.student.api_keys.exclude(pk=old.pk).get()
    [shown] = instructor.get(NEW).context["issued"]
    assert f"{old.shown} of {world.student.person} stops within two seconds" in asked.content.decode()
    assert not old.is_valid(now=timezone.now())
    assert (new.name, new.allowed_models, shown.text[-4:]) == ("lab", "echo", new.last_four)


def test_a_key_is_revoked_after_a_word_on_what_stops(instructor: Client, world: CourseWorld) -> None:
    key = world.student.api_keys.get()

    asked = instructor.get(change("revoke", key)).content.decode()
    assert key.is_valid(now=timezone.now())
    instructor.post(change("revoke", key), {"confirmed": "yes"})

    key.refresh_from_db()
    assert "has no other valid key" in asked
    assert not key.is_valid(now=timezone.now())


def test_a_revoked_key_is_not_replaced(instructor: Client, world: CourseWorld) -> None:
    key = world.student.api_keys.get()
    ApiKey.objects.revoke(now=timezone.now())

    instructor.post(change("replace", key), {"confirmed": "yes"})

    assert world.student.api_keys.count() == 1


def test_both_buttons_are_on_the_page_of_the_key_and_of_the_student(
    instructor: Client, assistant: Client, world: CourseWorld
) -> None:
    key = world.student.api_keys.get()
    pages = (page_of(key), reverse("admin:course_student", args=[world.course.slug, world.student.pk]))

    for page in pages:
        texts = [client.get(page).content.decode() for client in (instructor, assistant)]
        assert [change("revoke", key) in text and change("replace", key) in text for text in texts] == [True, False]


def test_the_place_of_use_and_the_expiry_can_be_changed_later(instructor: Client, world: CourseWorld) -> None:
    key = world.student.api_keys.get()

    instructor.post(page_of(key), {"name": "lab", "expires_at_0": "2030-01-01", "expires_at_1": "00:00:00"})

    key.refresh_from_db()
    assert (key.name, key.expires_at) == ("lab", datetime(2030, 1, 1, tzinfo=UTC))
