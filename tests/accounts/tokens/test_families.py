"""The life of a token family."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from apps.accounts.models import ApiKey, Membership, Role, TokenFamily, User
from apps.accounts.tokens import bearers, families, refresh_tokens
from apps.accounts.tokens.access_tokens import RefusedToken
from apps.common.errors import InvalidCredentials
from tests import factories
from tests.accounts.tokens.asking import Issued, is_refused, issue, issued, logout, post, refresh

pytestmark = pytest.mark.usefixtures("db")

NOW = datetime.now(UTC)


@pytest.fixture
def student() -> Membership:
    return factories.make_student()


@pytest.fixture
def key(student: Membership) -> str:
    return factories.make_key(student)


@pytest.fixture
def tokens(key: str) -> Issued:
    return issue(api_key=key)


def is_accepted(text: str) -> bool:
    try:
        bearers.find(text, now=datetime.now(UTC))
    except RefusedToken:
        return False
    return True


def test_a_key_gives_tokens_of_its_member(student: Membership, tokens: Issued) -> None:
    now = datetime.now(UTC)
    bearer = bearers.find(tokens.access, now=now)

    assert (bearer.membership, bearer.api_key) == (student, ApiKey.objects.get(membership=student))
    assert timedelta(minutes=15) <= bearer.expires_at - now < timedelta(minutes=16)


def test_nobody_starts_families_without_end(key: str) -> None:
    for _ in range(families.MOST_A_MINUTE):
        tokens = issue(api_key=key)

    refused = post("token", {"api_key": key})

    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert issued(refresh(tokens.refresh)) and issue(api_key=factories.make_key())
    TokenFamily.objects.update(created_at=NOW - timedelta(minutes=2))
    assert issue(api_key=key)


def test_refreshing_gives_others_of_the_same_family(tokens: Issued) -> None:
    following = issued(refresh(tokens.refresh))

    assert following.access != tokens.access and following.refresh != tokens.refresh
    assert is_accepted(following.access) and is_accepted(tokens.access)
    assert TokenFamily.objects.count() == 1


def test_a_spent_refresh_token_revokes_the_family(tokens: Issued) -> None:
    following = issued(refresh(tokens.refresh))

    assert is_refused(refresh(tokens.refresh))

    assert is_refused(refresh(following.refresh))
    assert not is_accepted(following.access) and not is_accepted(tokens.access)


def test_a_refresh_token_with_a_typing_error_revokes_nothing(tokens: Issued) -> None:
    wrong = tokens.refresh[:-10] + ("a" if tokens.refresh[-10] != "a" else "b") + tokens.refresh[-9:]

    assert is_refused(refresh(wrong))

    assert is_accepted(tokens.access)


def test_signing_out_revokes_the_family(tokens: Issued) -> None:
    assert logout(tokens.refresh).status_code == 204

    assert is_refused(refresh(tokens.refresh)) and is_refused(logout(tokens.refresh))
    assert not is_accepted(tokens.access)


def test_signing_out_with_a_spent_token_revokes_the_family_all_the_same(tokens: Issued) -> None:
    following = issued(refresh(tokens.refresh))

    assert is_refused(logout(tokens.refresh))

    assert not is_accepted(following.access)


def test_other_families_live_on(key: str, tokens: Issued) -> None:
    other = issue(api_key=key)

    logout(tokens.refresh)

    assert is_accepted(other.access) and issued(refresh(other.refresh))


def test_a_family_ends_when_it_is_not_used_for_a_week(tokens: Issued) -> None:
    with pytest.raises(InvalidCredentials):
        families.refresh(tokens.refresh, now=datetime.now(UTC) + families.IDLE)


def test_a_family_ends_after_a_month_however_often_it_is_used(tokens: Issued) -> None:
    text, now = tokens.refresh, datetime.now(UTC)
    for _ in range(4):
        now += timedelta(days=6)
        text = families.refresh(text, now=now).refresh

    now += timedelta(days=5)
    text = families.refresh(text, now=now).refresh
    with pytest.raises(InvalidCredentials):
        families.refresh(text, now=now + timedelta(days=1, minutes=1))


ENDINGS: dict[str, Callable[[Membership], object]] = {
    "its key is revoked": lambda member: ApiKey.objects.filter(membership=member).revoke(now=NOW),
    "its key has expired": lambda member: ApiKey.objects.filter(membership=member).update(expires_at=NOW),
    "its key is deleted": lambda member: ApiKey.objects.filter(membership=member).delete(),
    "the member is inactive": lambda member: Membership.objects.filter(pk=member.pk).update(is_active=False),
    "the member is gone": lambda member: Membership.objects.filter(pk=member.pk).delete(),
    "the role is another": lambda member: Membership.objects.filter(pk=member.pk).update(role=Role.ASSISTANT),
    "the person is inactive": lambda member: User.objects.filter(pk=member.user_id).update(is_active=False),
    "the person became staff": lambda member: User.objects.filter(pk=member.user_id).update(is_staff=True),
    "the person became operator": lambda member: User.objects.filter(pk=member.user_id).update(is_superuser=True),
    "everything was signed out": lambda member: member.user.sign_out_tokens(now=datetime.now(UTC)),
}


@pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS.keys())
def test_a_family_is_dead_once(end: Callable[[Membership], object], student: Membership, tokens: Issued) -> None:
    assert is_accepted(tokens.access)

    end(student)

    assert not is_accepted(tokens.access)
    assert is_refused(refresh(tokens.refresh))


def test_families_of_a_later_sign_in_are_good(student: Membership, key: str) -> None:
    student.user.sign_out_tokens(now=datetime.now(UTC))

    assert is_accepted(issue(api_key=key).access)


def test_neither_half_of_a_refresh_token_is_stored(tokens: Issued) -> None:
    token = refresh_tokens.read(tokens.refresh)
    family = TokenFamily.objects.get()

    assert token is not None and token.text == tokens.refresh
    assert token.secret not in str(vars(family)) and token.secret in tokens.refresh
