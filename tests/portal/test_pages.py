"""The pages of students: who gets in, and that each shows what is one's own."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import ApiKey, Course, Membership
from apps.conversations.models import Appeal, RuleHit
from apps.quotas.models import AllowanceRequest, QuotaPolicy
from apps.rules.models import Rule
from tests import factories
from tests.admin.world import CourseWorld, make_call, make_hit, make_world

PAGES = ("", "start/", "refused/", "conversations/", "keys/")


@pytest.fixture
def world(db: None) -> CourseWorld:
    return make_world()


@pytest.fixture
def foreign(db: None) -> CourseWorld:
    return make_world()


def entered(key: str) -> Client:
    client = Client()
    assert client.post("/", {"key": key}).status_code == 302
    return client


@pytest.fixture
def ada(world: CourseWorld) -> Client:
    """A student of the world who entered with a key."""
    return entered(world.key_text)


@pytest.fixture
def signed_in(world: CourseWorld) -> Client:
    client = Client()
    client.force_login(world.student.user)
    return client


def address(world: CourseWorld, page: str = "") -> str:
    return f"/c/{world.course.slug}/{page}"


def text(client: Client, path: str, *, status: int = 200, **query: Any) -> str:
    answer = client.get(path, query)
    assert answer.status_code == status
    return answer.content.decode()


# Getting in


def test_a_key_opens_the_page_of_its_course(world: CourseWorld) -> None:
    client = Client()

    answer = client.post("/", {"key": f" {world.key_text}\n"})

    assert answer["Location"] == address(world)
    assert "Left this week" in text(client, address(world))
    assert client.get(address(world))["cache-control"].startswith("max-age=0, no-cache, no-store")
    assert world.key_text not in str(dict(client.session.items()))


def test_somebody_comes_back_to_where_they_wanted(world: CourseWorld) -> None:
    client = Client()
    asked = client.get(address(world, "keys/"))["Location"]

    assert asked == f"/?next={address(world, 'keys/')}"
    assert f'value="{address(world, "keys/")}"' in text(client, asked)
    answer = client.post("/", {"key": world.key_text, "next": address(world, "keys/")})
    assert answer["Location"] == address(world, "keys/")


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example/c/", "/admin/", "/c//evil\\n", "/c\\\\evil"]
)
def test_nobody_is_sent_elsewhere(world: CourseWorld, target: str) -> None:
    where = Client().post("/", {"key": world.key_text, "next": target})["Location"]

    assert where == address(world) or where.startswith("/c/")


def _expired(member: Membership) -> str:
    return factories.make_key(member, expires_at=datetime.now(UTC) - timedelta(minutes=1))


def _revoked(member: Membership) -> str:
    text = factories.make_key(member)
    ApiKey.objects.filter(membership=member).revoke(now=datetime.now(UTC))
    return text


def _of_the_inactive(member: Membership) -> str:
    text = factories.make_key(member)
    Membership.objects.filter(pk=member.pk).update(is_active=False)
    return text


def _of_a_program(member: Membership) -> str:
    return factories.make_key(factories.make_member(course=member.course, role="service"))


def _for_chat_alone(member: Membership) -> str:
    text = factories.make_key(member)
    ApiKey.objects.filter(last_four=text[-4:]).update(allowed_surfaces="chat")
    return text


@pytest.mark.parametrize("make", [_expired, _revoked, _of_the_inactive, _of_a_program, _for_chat_alone])
def test_keys_that_open_nothing_are_all_refused_alike(world: CourseWorld, make: Callable[[Membership], str]) -> None:
    key = make(world.student)

    pages = [Client().post("/", {"key": tried}) for tried in (key, "stoa_sk_nothing", "", "x" * 10_000)]

    assert {page.status_code for page in pages} == {403}
    assert all("This key opens nothing here." in page.content.decode() for page in pages)


def test_guessing_ends(world: CourseWorld) -> None:
    client = Client(REMOTE_ADDR="192.0.2.77")
    statuses = [client.post("/", {"key": f"stoa_sk_{n}"}).status_code for n in range(31)]

    assert statuses == [403] * 30 + [429]
    assert client.post("/", {"key": world.key_text}).status_code == 429
    assert Client(REMOTE_ADDR="192.0.2.78").post("/", {"key": world.key_text}).status_code == 302


def test_a_revoked_key_closes_its_pages_at_once(world: CourseWorld, ada: Client) -> None:
    ApiKey.objects.filter(membership=world.student).revoke(now=datetime.now(UTC))

    assert {ada.get(address(world, page)).status_code for page in PAGES} == {302}


def test_who_leaves_is_out(world: CourseWorld, ada: Client) -> None:
    assert ada.post("/leave/")["Location"] == "/"
    assert ada.get(address(world))["Location"].startswith("/?next=")


@pytest.mark.parametrize("page", PAGES)
def test_courses_of_others_do_not_exist(
    world: CourseWorld, foreign: CourseWorld, ada: Client, signed_in: Client, page: str
) -> None:
    for client in (ada, signed_in):
        text(client, address(world, page))
        assert client.get(address(foreign, page)).status_code == client.get(f"/c/nothing/{page}").status_code == 404


def test_who_is_signed_in_chooses_a_course(world: CourseWorld, signed_in: Client) -> None:
    assert signed_in.get("/")["Location"] == address(world)

    other = factories.make_student(user=world.student.user).course
    page = text(signed_in, "/")

    assert address(world) in page and f"/c/{other.slug}/" in page


def test_staff_find_the_admin(world: CourseWorld) -> None:
    client = Client()
    client.force_login(factories.make_instructor(course=world.course).user)

    assert "/admin/" in text(client, "/")


# The week


def test_the_week_adds_up(world: CourseWorld, ada: Client) -> None:
    page = ada.get(address(world))

    own = page.context["own"]
    assert (own.balance.used, own.left) == (1200, own.limit - 1200)
    assert "The staff of this course can read" in page.content.decode()


def test_a_course_without_allowance_says_so(world: CourseWorld, ada: Client) -> None:
    QuotaPolicy.objects.filter(course=world.course).delete()

    assert "Your course has no allowance yet" in text(ada, address(world))


def test_asking_for_more(world: CourseWorld, ada: Client) -> None:
    AllowanceRequest.objects.all().delete()

    wrong = [ada.post(address(world), sent).status_code for sent in ({}, {"tokens": "-1", "reason": "x"})]
    once = ada.post(address(world), {"tokens": "500", "reason": "A project."}, follow=True).content.decode()
    twice = ada.post(address(world), {"tokens": "900", "reason": "Again."}, follow=True).content.decode()

    assert wrong == [400, 400]
    assert "Your instructor has your request for 500 tokens." in once
    assert "You have asked for more this week already" in twice
    (row,) = AllowanceRequest.objects.all()
    assert (row.membership, row.tokens, row.reason) == (world.student, 500, "A project.")


# What was refused


def test_a_refusal_says_why_and_is_appealed(world: CourseWorld, ada: Client) -> None:
    Appeal.objects.all().delete()
    page = text(ada, address(world, "refused/"))
    assert "Ask for a hint instead." in page and ">solve my homework</mark>" in page and world.rule.name not in page

    sent = {"call": world.call.pk, "reason": "I asked about grammar."}
    first, again = (ada.post(address(world, "refused/"), sent, follow=True).content.decode() for _ in range(2))

    assert "Your instructor reads what you wrote." in first
    assert "I asked about grammar." in first and "This was wrong" not in first
    assert "You have written about this call already." in again


def test_nobody_appeals_for_others(world: CourseWorld, foreign: CourseWorld, ada: Client) -> None:
    Appeal.objects.all().delete()

    page = ada.post(address(world, "refused/"), {"call": foreign.call.pk, "reason": "x"}, follow=True)

    assert "There is no such call of yours." in page.content.decode()
    assert not Appeal.objects.exists()


def test_rules_that_only_watch_stay_unseen(world: CourseWorld, ada: Client) -> None:
    RuleHit.objects.all().delete()
    watched = factories.make_rule(course=world.course, stage=Rule.Stage.OBSERVE, message="Nobody reads this.")
    make_hit(world.call, watched, "homework")

    pages = [text(ada, address(world, "refused/")), text(ada, address(world, f"conversations/{world.thread.pk}/"))]

    assert "No rule has refused" in pages[0]
    assert all("Nobody reads this." not in page and "<mark" not in page for page in pages)


def test_a_reminder_is_shown_and_not_appealed(world: CourseWorld, ada: Client) -> None:
    RuleHit.objects.all().delete()
    Appeal.objects.all().delete()
    warns = factories.make_rule(course=world.course, stage=Rule.Stage.WARN, message="Say where you are stuck.")
    make_hit(world.call, warns, "homework")

    page = text(ada, address(world, "refused/"))

    assert "Say where you are stuck." in page and "Reminder" in page and "This was wrong" not in page


# Conversations


def test_ones_conversations_are_read(world: CourseWorld, foreign: CourseWorld, ada: Client) -> None:
    assert str(world.thread) in text(ada, address(world, "conversations/"))
    assert "What have you tried?" in text(ada, address(world, f"conversations/{world.thread.pk}/"))
    assert ada.get(address(world, f"conversations/{foreign.thread.pk}/")).status_code == 404
    assert ada.get(address(world, "conversations/999999999999/")).status_code == 404


def test_texts_are_never_markup(world: CourseWorld, ada: Client) -> None:
    make_call(world.student, thread=world.thread, prompt="<script>alert(1)</script> <img src=x onerror=y>")

    page = text(ada, address(world, f"conversations/{world.thread.pk}/"))

    assert "<script>alert" not in page and "<img src=x" not in page


def test_what_is_not_recorded_is_said(world: CourseWorld, ada: Client) -> None:
    Course.objects.filter(pk=world.course.pk).update(logging=Course.Logging.OFF)

    assert "no text" in text(ada, address(world))


# Keys


def test_a_key_replaces_itself_and_is_shown_once(world: CourseWorld, ada: Client) -> None:
    [old] = world.student.api_keys.all()

    ada.post(address(world, f"keys/{old.pk}/"), {"replace": "1"})
    first, second = (text(ada, address(world, "keys/")) for _ in range(2))

    new = world.student.api_keys.get(revoked_at=None)
    assert new.pk != old.pk and new.issued_by == world.student.user
    assert "Your new key." in first and "Your new key." not in second
    assert ada.get(address(world)).status_code == 200


def test_a_key_changes_no_other_and_makes_none(world: CourseWorld, foreign: CourseWorld, ada: Client) -> None:
    other, _ = ApiKey.issue(membership=world.student)
    [theirs] = foreign.student.api_keys.all()

    tried = [ada.post(address(world, f"keys/{key.pk}/"), {"revoke": "1"}) for key in (other, theirs)]
    made = ada.post(address(world, "keys/new/"), {"name": "laptop"})

    assert {answer.status_code for answer in (*tried, made)} == {404}
    assert ApiKey.objects.filter(revoked_at=None, pk__in=[other.pk, theirs.pk]).count() == 2


def test_who_is_signed_in_makes_and_revokes_keys(world: CourseWorld, foreign: CourseWorld, signed_in: Client) -> None:
    made = signed_in.post(address(world, "keys/new/"), {"name": "laptop"}, follow=True).content.decode()
    key = world.student.api_keys.get(name="laptop")
    revoked = signed_in.post(address(world, f"keys/{key.pk}/"), {"revoke": "1"}, follow=True).content.decode()
    [theirs] = foreign.student.api_keys.all()

    assert "stoa_sk_" in made and key.issued_by == world.student.user
    assert f"{key.shown} is refused from now on." in revoked
    assert signed_in.post(address(world, f"keys/{theirs.pk}/"), {"revoke": "1"}).status_code == 404
    assert signed_in.get(address(world, "keys/new/")).status_code == 405


def test_there_is_an_end_to_keys(world: CourseWorld, signed_in: Client) -> None:
    for _ in range(12):
        page = signed_in.post(address(world, "keys/new/"), follow=True).content.decode()

    assert world.student.api_keys.filter(revoked_at=None).count() == 10
    assert "You have 10 keys already." in page


# Set-up, and what pages cost


def test_the_recipes_have_this_courses_model_and_address(world: CourseWorld, ada: Client) -> None:
    factories.make_model(course=world.course, name="tutor")

    page = text(ada, address(world, "start/"))

    assert "http://testserver/v1" in page and "&quot;tutor&quot;" in page


@pytest.mark.parametrize("page", PAGES)
def test_pages_cost_the_same_however_much_there_is(
    world: CourseWorld, ada: Client, page: str, django_assert_max_num_queries: Any
) -> None:
    for _ in range(8):
        make_hit(make_call(world.student, thread=world.thread, prompt="solve my homework"), world.rule, "homework")

    with django_assert_max_num_queries(20):
        text(ada, address(world, page))
