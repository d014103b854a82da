"""Issuers: a client secret goes in and is never shown; an operator is told whether the issuer works."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.utils import timezone

from apps.accounts.models import AuditEntry, Course, GivenRole, GroupGrant, Issuer, Membership
from tests import factories
from tests.accounts.sign_in.publisher import Publisher, publishing
from tests.admin.world import add_page, list_of, page_of

SECRET = "client-secret-4711"


def form(**overrides: Any) -> dict[str, Any]:
    return {
        "name": "campus",
        "title": "Example University",
        "issuer": "https://idp.example.edu",
        "client_id": "stoa",
        "secret": "",
        "scopes": "openid profile email",
        "groups_claim": "groups",
        "second_factor": "own",
        "signs_in": "on",
        "is_active": "on",
        "grants-TOTAL_FORMS": 0,
        "grants-INITIAL_FORMS": 0,
        **overrides,
    }


@pytest.fixture
def issuer(db: None) -> Issuer:
    return factories.make_issuer(name="campus", issuer="https://idp.example.edu", secret=SECRET)


def test_an_operator_adds_an_issuer_with_its_secret_and_a_grant(operator: Client, course: Course) -> None:
    grant = {"grants-TOTAL_FORMS": 1, "grants-0-group": "staff", "grants-0-course": course.pk}

    operator.post(add_page(Issuer), form(secret=SECRET, **grant, **{"grants-0-role": "instructor"}))

    issuer = Issuer.objects.get()
    assert issuer.secret() == SECRET
    assert str(issuer.grants.get()) == f"staff: instructor of {course.slug}"


def test_no_page_shows_the_secret(operator: Client, issuer: Issuer) -> None:
    for page in (page_of(issuer), list_of(Issuer), page_of(issuer, "history")):
        text = operator.get(page, follow=True).content.decode()
        assert SECRET not in text and issuer.ciphertext not in text


def test_the_audit_log_knows_no_secret(operator: Client, issuer: Issuer) -> None:
    operator.post(page_of(issuer), form(secret="another-one"))

    told = " ".join(str((entry.before, entry.after, entry.note)) for entry in AuditEntry.objects.all())
    assert issuer.ciphertext not in told and "another-one" not in told


def test_saving_without_a_secret_keeps_it(operator: Client, issuer: Issuer) -> None:
    operator.post(page_of(issuer), form(title="Another title"))

    issuer.refresh_from_db()
    assert (issuer.title, issuer.secret()) == ("Another title", SECRET)


def test_a_secret_does_not_follow_to_another_server(operator: Client, issuer: Issuer) -> None:
    page = operator.post(page_of(issuer), form(issuer="https://evil.example"), follow=True)

    issuer.refresh_from_db()
    assert issuer.ciphertext == ""
    assert "the client secret was forgotten" in page.content.decode()


def test_the_page_says_which_redirect_uri_to_register(operator: Client, issuer: Issuer) -> None:
    assert "http://testserver/sign-in/campus/campus/callback/" in operator.get(page_of(issuer)).content.decode()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"issuer": "http://idp.example.edu"}, "must start with https://"),
        ({"issuer": "https://idp.example.edu/.well-known/openid-configuration"}, "Stoa adds it"),
        ({"issuer": "https://user:pass@idp.example.edu"}, "user name or password"),
        ({"client_id": ""}, "Is needed to sign in"),
        ({"scopes": "profile"}, "openid must be among them"),
        ({"name": "openid_connect"}, "reserved"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused(operator: Client, db: None, changes: dict[str, str], sentence: str) -> None:
    page = operator.post(add_page(Issuer), form(**changes))

    assert sentence in page.content.decode()
    assert not Issuer.objects.exists()


def test_only_one_issuer_finds_people_by_campus_id(operator: Client, issuer: Issuer) -> None:
    Issuer.objects.update(id_claim="student_id")

    page = operator.post(add_page(Issuer), form(name="other", issuer="https://other.example.edu", id_claim="sub"))

    assert "finds people by campus ID already" in page.content.decode()


@pytest.mark.parametrize(
    "gives", [{}, {"is_operator": "on", "role": "student"}, {"role": "instructor"}, {"course": 1}], ids=str
)
def test_a_grant_gives_one_thing(operator: Client, issuer: Issuer, course: Course, gives: dict[str, Any]) -> None:
    if "course" in gives:
        gives = {"course": course.pk}

    page = operator.post(add_page(GroupGrant), {"issuer": issuer.pk, "group": "staff", **gives})

    assert "Give one thing" in page.content.decode()


@pytest.fixture(scope="module")
def publisher() -> Iterator[Publisher]:
    with publishing() as server:
        yield server


def outcome_of(operator: Client, issuer: Issuer) -> str:
    answer = operator.post(f"/admin/accounts/issuer/{issuer.pk}/test/")
    assert answer.headers["location"] == page_of(issuer)
    [message] = get_messages(answer.wsgi_request)
    return str(message)


def test_an_issuer_that_works_is_told_so(operator: Client, issuer: Issuer, publisher: Publisher) -> None:
    Issuer.objects.update(issuer=publisher.url, allow_private_network=True)

    assert outcome_of(operator, issuer) == (
        "The issuer answers, calls itself as expected and publishes 1 key for signatures."
    )


def test_what_is_wrong_with_an_issuer_is_told(operator: Client, issuer: Issuer, publisher: Publisher) -> None:
    Issuer.objects.update(issuer=f"{publisher.url}/", allow_private_network=True)

    assert f"The issuer calls itself {publisher.url}, not {publisher.url}/." in outcome_of(operator, issuer)


def test_an_issuer_in_the_private_network_is_not_asked(operator: Client, issuer: Issuer, publisher: Publisher) -> None:
    Issuer.objects.update(issuer=publisher.url)
    publisher.asked.clear()

    assert "inside a private network, which this issuer may not use" in outcome_of(operator, issuer)
    assert publisher.asked == []


def test_a_test_is_no_get(operator: Client, issuer: Issuer) -> None:
    assert operator.get(f"/admin/accounts/issuer/{issuer.pk}/test/").status_code == 405


def test_what_groups_gave_can_be_taken_back(operator: Client, issuer: Issuer, course: Course) -> None:
    member = factories.make_instructor(course=course)
    given = {"user": member.user, "issuer": issuer, "changed_at": timezone.now()}
    GivenRole.objects.create(kind="course", course=course, role="instructor", **given)
    GivenRole.objects.create(kind="staff", **given)

    chosen = {"action": "take_back_roles", "_selected_action": [issuer.pk]}
    page = operator.post(list_of(Issuer), chosen, follow=True)

    assert "1 people" in page.content.decode()
    member = Membership.objects.get(pk=member.pk)
    assert (member.is_active, member.user.is_staff) == (False, False)
    issuer.delete()
