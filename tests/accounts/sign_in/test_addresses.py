"""The roads to a session."""

import pytest
from django.test import Client

from apps.accounts.models import User
from tests import factories

PASSWORD = "correct horse battery"
PAGES = ("/sign-in/", "/admin/login/")


@pytest.fixture
def tess(db: None) -> User:
    user = factories.make_user(is_staff=True)
    user.set_password(PASSWORD)
    user.save()
    return user


@pytest.mark.parametrize("page", PAGES)
def test_a_user_name_and_a_password_open_the_admin(page: str, tess: User) -> None:
    client = Client()

    answer = client.post(page, {"username": tess.username, "password": PASSWORD, "next": "/admin/rules/rule/"})

    assert (answer.status_code, answer.headers["location"]) == (302, "/admin/rules/rule/")
    assert client.get("/admin/").status_code == 200


@pytest.mark.parametrize("page", PAGES)
def test_csrf_is_required(page: str, tess: User) -> None:
    client = Client(enforce_csrf_checks=True)

    assert client.post(page, {"username": tess.username, "password": PASSWORD}).status_code == 403


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_nobody_is_sent_elsewhere(elsewhere: str, tess: User) -> None:
    answer = Client().post("/sign-in/", {"username": tess.username, "password": PASSWORD, "next": elsewhere})

    assert answer.headers["location"] == "/admin/"


def test_the_session_has_another_key_than_before(tess: User) -> None:
    client = Client()
    session = client.session
    session["kept"] = True
    session.save()
    before = session.session_key

    client.post("/sign-in/", {"username": tess.username, "password": PASSWORD})

    assert client.session.session_key != before


def test_who_is_no_staff_does_not_get_into_the_admin(db: None) -> None:
    student = factories.make_student().user
    client = Client()
    client.force_login(student)

    assert client.get("/admin/login/").status_code == 403


@pytest.mark.parametrize("page", ["/sign-in/signup/", "/sign-in/email/", "/accounts/signup/"])
def test_nobody_signs_up(page: str, db: None) -> None:
    assert Client().get(page).status_code == 404


def test_who_is_signed_in_cannot_become_somebody_else_with_a_password_alone(tess: User) -> None:
    boss = factories.make_operator()
    client = Client()
    client.post("/admin/login/", {"username": tess.username, "password": PASSWORD})

    client.post("/admin/login/", {"username": boss.username, "password": factories.PASSWORD})

    assert client.session["_auth_user_id"] == str(tess.pk)


def test_any_letters_can_be_in_a_user_name(db: None) -> None:
    user = factories.make_user(username="Żaneta.Łęcka", is_staff=True)
    client = Client()

    answer = client.post("/sign-in/", {"username": user.username, "password": factories.PASSWORD})

    assert answer.status_code == 302
    for cookie in answer.cookies.values():
        assert cookie.output().isascii()
        assert cookie.value.isprintable()


def test_a_name_that_differs_in_case_locks_nobody_out(tess: User) -> None:
    factories.make_user(username=tess.username.upper())
    client, other = Client(), Client()

    client.post("/sign-in/", {"username": tess.username, "password": PASSWORD})
    other.post("/sign-in/", {"username": tess.username.title(), "password": PASSWORD})

    assert "_auth_user_id" in client.session
    assert "_auth_user_id" not in other.session


def test_case_does_not_matter_in_a_name_that_is_unlike_all_others(tess: User) -> None:
    client = Client()

    client.post("/sign-in/", {"username": tess.username.upper(), "password": PASSWORD})

    assert "_auth_user_id" in client.session


def test_new_people_get_no_name_that_differs_in_case_only(tess: User) -> None:
    assert User.free_username(tess.username.upper()) == f"{tess.username.upper()}-2"


@pytest.mark.parametrize("credential", ["[]", '{"id": 1}', '{"id": "eA", "rawId": "eA"}', '{"rawId": {}, "id": {}}'])
def test_a_passkey_that_is_none_is_refused(credential: str, db: None) -> None:
    page = "/sign-in/second-factor/webauthn/login/"
    client = Client()
    client.get(page, headers={"accept": "application/json"})

    answer = client.post(page, {"credential": credential})

    assert (answer.status_code, answer.headers["location"]) == (302, "/sign-in/")
