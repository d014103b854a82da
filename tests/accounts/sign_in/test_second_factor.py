"""Codes, recovery codes, and who needs them."""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from django.db import connection
from django.test import Client

from apps.accounts.models import AuditEntry, Course, User
from apps.accounts.sign_in import second_factor, second_factor_adapter
from apps.common.encryption import CannotDecrypt
from tests import factories
from tests.accounts.sign_in.steps import code_of, is_signed_in, set_up_app, signed_in, try_code, try_password

ADMIN = "/admin/"
ENROL = "/sign-in/second-factor/"


@pytest.fixture
def ada(committed_db: None) -> User:
    """Committed, since allauth says what happened once it is."""
    cache.clear()  # the failures of other tests, from the same address
    return factories.make_operator()


def between(user: User, *, address: str = "192.0.2.1") -> Client:
    """Someone who has given the right password, and nothing else yet."""
    client = Client()
    answer = try_password(client, user.username, address=address)
    assert answer.headers["location"] == "/sign-in/second-factor/authenticate/"
    return client


def test_after_the_password_a_code_is_asked_for(ada: User) -> None:
    secret = set_up_app(signed_in(ada))
    client = between(ada)

    assert not is_signed_in(client)
    assert client.get(ADMIN).status_code == 302
    try_code(client, code_of(secret, ahead=1))
    assert is_signed_in(client)


def test_a_code_is_good_once(ada: User) -> None:
    secret = set_up_app(signed_in(ada))
    code = code_of(secret, ahead=1)
    try_code(between(ada), code)
    again = between(ada)

    answer = try_code(again, code)

    assert "used before" in answer.content.decode()
    assert not is_signed_in(again)


@pytest.mark.parametrize("spelled", ["{0} {1}", " {0}{1} ", "{0}-{1}", "{other}"])
def test_a_used_code_is_used_in_any_spelling(spelled: str, ada: User) -> None:
    secret = set_up_app(signed_in(ada))
    code = code_of(secret, ahead=1)
    try_code(between(ada), code)
    again = between(ada)
    other = code.translate({ord("0") + digit: 0x0660 + digit for digit in range(10)})

    try_code(again, spelled.format(code[:3], code[3:], other=other))

    assert not is_signed_in(again)


def test_of_many_who_send_one_code_at_once_one_gets_in(ada: User) -> None:
    secret = set_up_app(signed_in(ada))
    clients = [between(ada, address=f"203.0.113.{number}") for number in range(20)]
    code = code_of(secret, ahead=1)

    def send(numbered: tuple[int, Client]) -> None:
        try:
            try_code(numbered[1], code, address=f"203.0.113.{numbered[0]}")
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(send, enumerate(clients)))

    assert sum(map(is_signed_in, clients)) == 1


def test_wrong_codes_end_at_one_address_and_not_at_hers(ada: User) -> None:
    secret = set_up_app(signed_in(ada))
    thief = between(ada, address="198.51.100.7")
    for number in range(5):
        try_code(thief, f"00000{number}", address="198.51.100.7")
    hers = between(ada)

    answer = try_code(thief, code_of(secret, ahead=1), address="198.51.100.7")
    try_code(hers, code_of(secret, ahead=1))

    assert "too many failed attempts" in answer.content.decode()
    assert (is_signed_in(thief), is_signed_in(hers)) == (False, True)


def test_a_recovery_code_is_good_once(ada: User) -> None:
    client = signed_in(ada)
    set_up_app(client)
    page = client.get("/sign-in/second-factor/recovery-codes/").content.decode()
    code = re.findall(r"\b\d{8}\b", page)[0]
    first, second = between(ada), between(ada)

    try_code(first, code)
    try_code(second, code)

    assert (is_signed_in(first), is_signed_in(second)) == (True, False)


def test_an_aborted_sign_in_leaves_nothing(ada: User) -> None:
    set_up_app(signed_in(ada))
    client = between(ada)

    client.post("/sign-in/out/")

    assert client.get("/sign-in/second-factor/authenticate/").headers["location"] == "/sign-in/"


def test_secrets_are_encrypted(ada: User, settings: Any) -> None:
    secret = set_up_app(signed_in(ada))
    stored = Authenticator.objects.get(user=ada, type="totp")

    assert secret not in str(stored.data)
    settings.SECRET_KEYS = ["n" * 40, *settings.SECRET_KEYS]
    assert second_factor_adapter.encrypt_anew(stored)
    settings.SECRET_KEYS = settings.SECRET_KEYS[:1]
    assert Authenticator.objects.get(user=ada, type="totp").wrap().validate_code(code_of(secret, ahead=1))
    settings.SECRET_KEYS = ["other" * 10]
    with pytest.raises(CannotDecrypt):
        second_factor_adapter.encrypt_anew(Authenticator.objects.get(user=ada, type="totp"))


# Who needs one

PAGES = ["/admin/", "/admin/rules/rule/", "/admin/nothing/", "/admin/password_change/", "/admin/jsi18n/"]


@pytest.mark.parametrize("path", PAGES)
def test_staff_without_one_are_led_to_set_it_up(path: str, ada: User, settings: Any) -> None:
    settings.SECOND_FACTOR = "staff"

    answer = signed_in(ada).get(path)

    assert (answer.status_code, answer.headers["location"]) == (302, ENROL)


def test_neither_the_staff_api_nor_a_post_answers_their_session(ada: User, settings: Any) -> None:
    settings.SECOND_FACTOR = "staff"
    client = signed_in(ada)
    slug = factories.unique("never")

    api = client.get("/api/staff/calls")
    client.post("/admin/accounts/course/add/", {"slug": slug, "title": "Never"})

    assert (api.status_code, api.json()["error"]["code"]) == (403, "second_factor_required")
    assert not Course.objects.filter(slug=slug).exists()


def test_once_set_up_everything_opens(ada: User, settings: Any) -> None:
    settings.SECOND_FACTOR = "staff"
    client = signed_in(ada)

    set_up_app(client)

    assert (client.get(ADMIN).status_code, client.get("/api/staff/calls").status_code) == (200, 200)


def test_a_session_from_before_has_to_show_it(ada: User, settings: Any) -> None:
    set_up_app(signed_in(ada))
    old = Client()
    old.force_login(ada)  # as if it had begun before
    settings.SECOND_FACTOR = "staff"

    answer = old.get("/admin/rules/rule/")

    assert answer.headers["location"] == "/sign-in/second-factor/reauthenticate/?next=%2Fadmin%2Frules%2Frule%2F"


def test_setting_one_up_ends_the_other_sessions(ada: User) -> None:
    other, client = signed_in(ada), signed_in(ada)

    set_up_app(client)

    assert other.get(ADMIN).status_code == 302
    assert client.get(ADMIN).status_code == 200


@pytest.mark.parametrize(
    ("setting", "operator", "instructor"), [("off", False, False), ("operators", True, False), ("staff", True, True)]
)
def test_the_setting_says_who_needs_one(
    setting: str, operator: bool, instructor: bool, committed_db: None, settings: Any
) -> None:
    settings.SECOND_FACTOR = setting

    assert second_factor.is_required(factories.make_operator()) == operator
    assert second_factor.is_required(factories.make_instructor().user) == instructor
    assert not second_factor.is_required(factories.make_student().user)


def test_who_removes_the_last_one_needs_a_new_one(ada: User, settings: Any) -> None:
    settings.SECOND_FACTOR = "staff"
    client = signed_in(ada)
    set_up_app(client)

    client.post("/sign-in/second-factor/totp/deactivate/")

    assert client.get(ADMIN).headers["location"] == ENROL


def test_setting_one_up_needs_a_recent_sign_in(ada: User) -> None:
    client = signed_in(ada)
    session = client.session
    session["stoa_began"] -= 3600
    for record in session["account_authentication_methods"]:
        record["at"] -= 3600
    session.save()

    answer = client.get("/sign-in/second-factor/totp/activate/")

    assert answer.headers["location"].startswith("/sign-in/again/?next=")


def test_an_operator_helps_somebody_who_lost_the_device(ada: User) -> None:
    lost = factories.make_instructor().user
    theirs = signed_in(lost)
    set_up_app(theirs)
    operator = signed_in(ada)

    operator.post("/admin/accounts/user/", {"action": "remove_second_factors", "_selected_action": [lost.pk]})

    assert not Authenticator.objects.filter(user=lost).exists()
    assert theirs.get(ADMIN).status_code == 302
    assert is_signed_in(signed_in(lost))


def test_it_is_all_recorded(ada: User) -> None:
    before = AuditEntry.objects.latest("pk").pk
    secret = set_up_app(signed_in(ada))
    client = between(ada)
    try_code(client, "000000")
    try_code(client, code_of(secret, ahead=1))
    client.post("/sign-in/out/")
    try_password(Client(), ada.username, "wrong")
    try_password(Client(), "hunter2", "wrong")

    found = [*AuditEntry.objects.filter(pk__gt=before, action__regex=r"^(sign_in|second_factor)\.").order_by("pk")]

    assert [entry.action for entry in found] == [
        "sign_in.succeeded",
        "second_factor.added",
        "second_factor.added",
        "second_factor.failed",
        "sign_in.succeeded",
        "sign_in.ended",
        "sign_in.failed",
        "sign_in.failed",
    ]
    assert found[4].note == "password, totp"
    assert found[0].address == "192.0.2.1"
    assert not any("hunter2" in str(vars(entry)) for entry in found)


def test_tokens_are_no_way_around_it(ada: User, settings: Any) -> None:
    asked = {"username": ada.username, "password": factories.PASSWORD}
    before = Client().post("/auth/token", asked, content_type="application/json", REMOTE_ADDR="192.0.2.9")
    settings.SECOND_FACTOR = "staff"
    after = Client().post("/auth/token", asked, content_type="application/json", REMOTE_ADDR="192.0.2.9")

    assert (before.status_code, after.status_code) == (200, 401)


def test_who_has_no_password_here_signs_in_again_to_set_one_up(committed_db: None) -> None:
    client = Client()
    client.force_login(factories.make_user(is_staff=True, password=None))  # as if through the campus
    session = client.session
    session["stoa_began"] -= 16 * 60
    session.save()

    answer = client.get(f"{ENROL}totp/activate/")

    assert answer.status_code == 302
    assert answer.headers["location"] == "/sign-in/out/?next=%2Fsign-in%2Fsecond-factor%2Ftotp%2Factivate%2F"
