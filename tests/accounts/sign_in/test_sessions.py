"""How long a session lasts, and who ends it."""

from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client

from apps.accounts.models import User
from apps.common.outages import database_outage
from tests import factories
from tests.accounts.sign_in.steps import signed_in

ADMIN = "/admin/"
STAFF_API = "/api/staff/calls"


@pytest.fixture
def ada(db: None) -> User:
    return factories.make_operator()


def is_open(client: Client) -> bool:
    return client.get(ADMIN).status_code == 200


def age(client: Client, key: str, seconds: float) -> None:
    session = client.session
    session[key] -= seconds
    session.save()


@pytest.mark.parametrize(
    ("key", "seconds", "lasts"),
    [
        ("stoa_seen", 50 * 60, True),
        ("stoa_seen", 61 * 60, False),
        ("stoa_began", 11.9 * 3600, True),
        ("stoa_began", 12.1 * 3600, False),
    ],
)
def test_a_session_ends_with_its_hours_and_when_nobody_uses_it(
    key: str, seconds: float, lasts: bool, ada: User
) -> None:
    client = signed_in(ada)

    age(client, key, seconds)

    assert is_open(client) is lasts


def test_using_it_keeps_it_and_writes_it_once_a_minute(ada: User, django_assert_num_queries: Any) -> None:
    client = signed_in(ada)
    age(client, "stoa_seen", 50 * 60)

    assert is_open(client)
    age(client, "stoa_seen", 50 * 60)
    assert is_open(client)
    seen = client.session["stoa_seen"]
    assert is_open(client)
    assert client.session["stoa_seen"] == seen


def test_its_cookie_ends_with_the_browser(ada: User) -> None:
    assert signed_in(ada).cookies["sessionid"]["max-age"] == ""


def test_a_deactivated_person_is_out_at_once(ada: User) -> None:
    client = signed_in(ada)

    ada.is_active = False
    ada.save()

    assert not is_open(client)


def test_a_new_password_ends_the_other_sessions(ada: User) -> None:
    other, client = signed_in(ada), signed_in(ada)
    new = "another long password"

    form = {"oldpassword": factories.PASSWORD, "password1": new, "password2": new}
    assert client.post("/sign-in/password/", form).status_code == 302

    assert (is_open(client), is_open(other)) == (True, False)


def test_a_person_sees_and_ends_the_own_sessions(ada: User) -> None:
    other, client = signed_in(ada, address="198.51.100.9"), signed_in(ada)

    page = client.get("/sign-in/sessions/").content.decode()
    client.post("/sign-in/sessions/")

    assert "198.51.100.9" in page
    assert (is_open(client), is_open(other)) == (True, False)


def test_operators_see_and_end_those_of_others(ada: User) -> None:
    tess = factories.make_instructor().user
    theirs, client = signed_in(tess, address="198.51.100.9"), signed_in(ada)

    page = client.get(f"/admin/accounts/user/{tess.pk}/change/").content.decode()
    client.post("/admin/accounts/user/", {"action": "sign_out", "_selected_action": [tess.pk]})

    assert "198.51.100.9" in page
    assert (is_open(client), is_open(theirs)) == (True, False)


# Before something that cannot be taken back

EXPORT = "/admin/c/{}/students/export/"


def test_an_export_needs_a_recent_sign_in(ada: User) -> None:
    course = factories.make_course()
    client = signed_in(ada)
    path = EXPORT.format(course.slug)
    assert client.get(path).status_code == 200
    long_ago(client)

    assert client.get(path).headers["location"] == f"/sign-in/again/?next={path.replace('/', '%2F')}"
    client.post(f"/sign-in/again/?next={path}", {"password": factories.PASSWORD})
    assert client.get(path).status_code == 200


def test_making_somebody_staff_needs_one_too(ada: User) -> None:
    member = factories.make_student()
    client = signed_in(ada)
    long_ago(client)
    path = f"/admin/accounts/membership/{member.pk}/change/"
    form = {"external_id": member.external_id, "is_active": "on"}

    answer = client.post(path, {**form, "role": "instructor"})

    assert answer.headers["location"].startswith("/sign-in/again/")
    member.refresh_from_db()
    assert member.role == "student"
    assert client.post(path, {**form, "role": "student"}).headers["location"].startswith("/admin/")


@pytest.mark.parametrize("page", ["/admin/accounts/user/{}/change/", "/admin/accounts/user/{}/password/"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_so_do_people_and_their_passwords(page: str, method: str, ada: User) -> None:
    client = signed_in(ada)
    long_ago(client)

    answer = getattr(client, method)(page.format(ada.pk))

    assert answer.headers["location"].startswith("/sign-in/again/")


def long_ago(client: Client) -> None:
    session = client.session
    session["stoa_began"] -= 3600
    for record in session["account_authentication_methods"]:
        record["at"] -= 3600
    session.save()


def test_a_password_is_nothing_like_the_name(ada: User) -> None:
    client = signed_in(ada)
    new = f"{ada.username}12345"

    answer = client.post("/sign-in/password/", {"oldpassword": factories.PASSWORD, "password1": new, "password2": new})

    assert "too similar to the username" in answer.content.decode()


@pytest.mark.parametrize(("path", "says"), [("/admin/", b"<p>The database is"), (STAFF_API, b'"database_unavailable"')])
def test_while_the_database_is_away_whoever_is_signed_in_is_told_so(path: str, says: bytes, ada: User) -> None:
    client = signed_in(ada)

    def away(*statement: Any) -> None:
        raise OperationalError("connection refused")

    with connection.execute_wrapper(away):
        answer = client.get(path)
    database_outage.ended()

    assert (answer.status_code, says in answer.content) == (503, True)
    assert "retry-after" in answer.headers


@pytest.mark.parametrize("page", ["second-factor/totp/activate/", "second-factor/", "sessions/", "password/"])
def test_no_browser_keeps_the_pages_of_an_account(page: str, ada: User) -> None:
    answer = signed_in(ada).get(f"/sign-in/{page}")

    assert (answer.status_code, "no-store" in answer.headers["cache-control"]) == (200, True)
