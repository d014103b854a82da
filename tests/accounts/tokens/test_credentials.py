"""Which credentials buy tokens, what these open, and when they end."""

from datetime import UTC, datetime
from typing import Any

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client

from apps.accounts.models import ApiKey, AuditEntry, Membership, User
from apps.accounts.scopes import Scopes
from apps.accounts.tokens import access_tokens, bearers
from tests import factories
from tests.accounts.sign_in.steps import code_of, set_up_app, signed_in
from tests.accounts.tokens.asking import is_refused, issue, issued, logout, post, refresh
from tests.admin.conftest import sign_in
from tests.factories import PASSWORD

pytestmark = pytest.mark.usefixtures("db")
CALLS = "/api/staff/calls"


@pytest.fixture
def tess() -> Membership:
    return factories.make_tess()


@pytest.fixture
def secret(tess: Membership) -> str:
    """That of the app on the phone of tess."""
    secret = generate_totp_secret()
    TOTP.activate(tess.user, secret)
    return secret


def with_password(user: User, **more: Any) -> Any:
    return post("token", {"username": user.username, "password": PASSWORD, **more})


def staff_api(access: str, **headers: str) -> int:
    return Client().get(CALLS, headers={"authorization": f"Bearer {access}", **headers}).status_code


# A name and a password


def test_staff_get_tokens_that_open_the_staff_api(tess: Membership) -> None:
    tokens = issued(with_password(tess.user))

    assert staff_api(tokens.access) == 200
    assert bearers.find(tokens.access, now=datetime.now(UTC)).membership == tess


def test_a_second_factor_is_asked_for(tess: Membership, secret: str) -> None:
    assert is_refused(with_password(tess.user))
    assert is_refused(with_password(tess.user, otp="000000"))
    assert is_refused(with_password(tess.user, otp=""))

    assert issued(with_password(tess.user, otp=code_of(secret)))


def test_who_needs_a_second_factor_and_has_none_gets_nothing(tess: Membership, settings: Any) -> None:
    before = issued(with_password(tess.user))
    settings.SECOND_FACTOR = "staff"

    assert is_refused(with_password(tess.user))
    assert staff_api(before.access) == 401


def test_setting_up_a_second_factor_ends_the_tokens_that_had_none(
    tess: Membership, django_capture_on_commit_callbacks: Any
) -> None:
    tokens = issued(with_password(tess.user))

    with django_capture_on_commit_callbacks(execute=True):
        set_up_app(signed_in(tess.user))

    assert staff_api(tokens.access) == 401


def test_operators_sign_others_out(tess: Membership) -> None:
    tokens = issued(with_password(tess.user))

    sign_in(factories.make_operator()).post(
        "/admin/accounts/user/", {"action": "sign_out", "_selected_action": [tess.user_id]}
    )

    assert staff_api(tokens.access) == 401


def test_operators_see_who_is_signed_in_and_revoke_it(tess: Membership) -> None:
    tokens, page, operator = issued(with_password(tess.user)), "/admin/accounts/tokenfamily/", factories.make_operator()
    issue(api_key=factories.make_key(tess))
    client = sign_in(operator)

    found = client.get(page, {"q": tess.user.username, "state": "open"}).context["cl"].result_list
    client.post(page, {"action": "revoke", "_selected_action": [family.pk for family in found]})

    assert len(found) == 2
    assert staff_api(tokens.access) == 401
    assert len(client.get(page, {"state": "revoked"}).context["cl"].result_list) == 2


def test_a_code_is_good_once_however_it_is_written(tess: Membership, secret: str) -> None:
    now = code_of(secret)
    assert issued(with_password(tess.user, otp=now))

    assert is_refused(with_password(tess.user, otp=now))
    assert is_refused(with_password(tess.user, otp=f"{now[:3]} {now[3:]}"))
    assert is_refused(with_password(tess.user, otp="".join(chr(0x0660 + int(digit)) for digit in now)))


def test_a_clock_that_is_half_a_minute_off_is_forgiven(tess: Membership, secret: str) -> None:
    assert issued(with_password(tess.user, otp=code_of(secret, ahead=-1)))
    assert is_refused(with_password(tess.user, otp=code_of(secret, ahead=-9)))


def test_a_recovery_code_is_good_once(tess: Membership, secret: str) -> None:
    first = RecoveryCodes.activate(tess.user).get_unused_codes()[0]

    assert issued(with_password(tess.user, otp=first))
    assert is_refused(with_password(tess.user, otp=first))


def test_a_wrong_code_counts_like_a_wrong_password(tess: Membership, secret: str) -> None:
    statuses = [with_password(tess.user, otp="000000").status_code for _ in range(6)]
    other = factories.make_operator()
    wrong = [post("token", {"username": other.username, "password": "wrong"}).status_code for _ in range(6)]

    assert statuses == wrong == [401] * 5 + [429]


def test_a_wrong_code_is_in_the_audit_log(tess: Membership, secret: str) -> None:
    with_password(tess.user, otp="000000")

    entry = AuditEntry.objects.get(action="second_factor.failed")
    assert entry.object_id == str(tess.user_id)


def test_with_several_courses_one_may_be_named(tess: Membership) -> None:
    other = factories.make_instructor(user=tess.user)

    unnamed = issued(with_password(tess.user))
    named = issued(with_password(tess.user, course=other.course.slug))

    assert bearers.find(unnamed.access, now=datetime.now(UTC)).membership is None
    assert bearers.find(named.access, now=datetime.now(UTC)).membership == other
    assert is_refused(with_password(tess.user, course=factories.make_course().slug))


def test_changing_the_password_ends_the_tokens(tess: Membership) -> None:
    tokens = issued(with_password(tess.user))

    tess.user.set_password("another good password")
    tess.user.save()

    assert staff_api(tokens.access) == 401
    assert is_refused(refresh(tokens.refresh))


def test_who_is_no_staff_any_more_is_refused(tess: Membership) -> None:
    tokens = issued(with_password(tess.user))

    User.objects.filter(pk=tess.user_id).update(is_staff=False)

    assert staff_api(tokens.access) == 401


# The staff API


def test_a_token_of_an_api_key_opens_no_staff_api(tess: Membership) -> None:
    assert staff_api(issue(api_key=factories.make_key(tess)).access) == 401


def test_a_token_may_be_narrowed(tess: Membership) -> None:
    reading = issued(with_password(tess.user, scopes={"reads_only": True}))
    chatting = issued(with_password(tess.user, scopes={"surfaces": ["chat"]}))

    assert staff_api(reading.access) == 200
    assert staff_api(chatting.access) == 403


def test_a_token_of_a_key_is_never_good_for_more_than_the_key(tess: Membership) -> None:
    _, key = ApiKey.issue(membership=tess, scopes=Scopes(models=frozenset({"a", "b"})))

    tokens = issue(api_key=key, scopes={"models": ["b", "c"], "reads_only": True})

    scopes = bearers.find(tokens.access, now=datetime.now(UTC)).scopes
    assert scopes == Scopes(models=frozenset({"b"}), reads_only=True)


def test_a_key_that_is_narrowed_later_narrows_what_its_tokens_claim(tess: Membership) -> None:
    _, key = ApiKey.issue(membership=tess)
    tokens = issue(api_key=key)
    ApiKey.objects.update(allowed_models="a", reads_only=True)

    following = issued(refresh(tokens.refresh))

    claimed = access_tokens.read(following.access).claims["scopes"]
    assert claimed == {"models": ["a"], "reads_only": True}


def test_one_credential_a_request(tess: Membership) -> None:
    access = issued(with_password(tess.user)).access
    signed_in = Client()
    signed_in.force_login(tess.user)

    assert signed_in.get(CALLS, headers={"authorization": f"Bearer {access}"}).status_code == 401
    assert staff_api(access, **{"x-api-key": factories.make_key(tess)}) == 401
    assert staff_api(f"{access},Bearer {access}") == 401
    assert staff_api(access, **{"x-api-key": access}) == 200


def test_a_token_needs_no_csrf_token(tess: Membership) -> None:
    access = issued(with_password(tess.user)).access

    answer = Client(enforce_csrf_checks=True).post(CALLS, headers={"authorization": f"Bearer {access}"})

    assert answer.status_code == 405


# Ending


def test_one_access_token_can_be_revoked(tess: Membership) -> None:
    tokens = issued(with_password(tess.user))
    following = issued(refresh(tokens.refresh))

    assert post("logout", {"access_token": tokens.access}).status_code == 204

    assert staff_api(tokens.access) == 401
    assert staff_api(following.access) == 200
    assert is_refused(post("logout", {"access_token": tokens.access}))


def test_the_audit_log_tells_the_life_of_a_family(tess: Membership) -> None:
    since = AuditEntry.objects.latest("pk").pk
    tokens = issued(with_password(tess.user))
    refresh(tokens.refresh)
    refresh(tokens.refresh)
    logout(issued(with_password(tess.user)).refresh)

    entries = AuditEntry.objects.filter(pk__gt=since, action__startswith="token.").order_by("pk")
    told = [(entry.action, entry.actor_name, entry.is_security) for entry in entries]
    assert told == [
        ("token.family_issued", tess.user.username, False),
        ("token.family_reused", "", True),
        ("token.family_issued", tess.user.username, False),
        ("token.family_revoked", "", False),
    ]
