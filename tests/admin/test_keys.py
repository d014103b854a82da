"""API keys: issued in the admin, shown once, revoked by selection."""

from datetime import UTC, datetime

from django.test import Client

from apps.accounts.models import ApiKey, Membership
from tests import factories
from tests.admin.world import COURSE_MODELS, CourseWorld, add_page, list_of, page_of


def issue(client: Client, member: Membership) -> str:
    """Issue a key in the admin and read it from the page."""
    page = client.post(add_page(ApiKey), {"membership": member.pk, "name": "laptop"})
    return page.context["issued"][0]["key"]


def test_a_new_key_is_shown_in_full(instructor: Client, world: CourseWorld) -> None:
    page = instructor.post(add_page(ApiKey), {"membership": world.student.pk, "name": "laptop"})

    key = ApiKey.objects.get(name="laptop")
    text = page.context["issued"][0]["key"]
    assert text in page.content.decode()
    assert text.endswith(key.last_four)


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
    page = instructor.post(add_page(ApiKey), {"membership": world.student.pk, "name": ""})

    assert "no-store" in page.headers["cache-control"]


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


def test_each_selected_member_gets_a_key(instructor: Client, world: CourseWorld) -> None:
    members = [world.student, factories.make_student(course=world.course)]

    page = instructor.post(
        list_of(Membership), {"action": "issue_keys", "_selected_action": [member.pk for member in members]}
    )

    assert [row["member"] for row in page.context["issued"]] == members
    assert all(row["key"] in page.content.decode() for row in page.context["issued"])


def test_the_place_of_use_and_the_expiry_can_be_changed_later(instructor: Client, world: CourseWorld) -> None:
    key = world.student.api_keys.get()

    instructor.post(page_of(key), {"name": "lab", "expires_at_0": "2030-01-01", "expires_at_1": "00:00:00"})

    key.refresh_from_db()
    assert (key.name, key.expires_at) == ("lab", datetime(2030, 1, 1, tzinfo=UTC))
