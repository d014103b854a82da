"""What the data plane remembers of access tokens."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.accounts.models import ApiKey, Membership, TokenFamily
from apps.accounts.principals import KEYLESS, Principals
from apps.accounts.scopes import ALL
from apps.accounts.tokens import access_tokens, credentials, families, signing
from apps.accounts.tokens.callers import Caller
from apps.common.errors import InvalidKey
from apps.common.revisions import refresh_all
from tests import factories

pytestmark = pytest.mark.usefixtures("committed_db")


@pytest.fixture
def student() -> Membership:
    return factories.make_student()


@pytest.fixture
def key(student: Membership) -> str:
    return factories.make_key(student)


@pytest.fixture
def token(key: str) -> str:
    now = datetime.now(UTC)
    return families.start(credentials.by_key(key, course=None, scopes=ALL, now=now), now=now).access


@pytest.fixture
def principals() -> Principals:
    made = Principals()
    refresh_all([made.revision, made.token_revision])
    return made


async def refuses(principals: Principals, text: str, *, now: datetime | None = None) -> bool:
    try:
        await principals.authenticate(text, now=now or datetime.now(UTC))
    except InvalidKey:
        return True
    return False


async def look_again(principals: Principals) -> None:
    await asyncio.to_thread(refresh_all, [principals.revision, principals.token_revision])


async def test_a_token_counts_as_its_key(principals: Principals, token: str, key: str) -> None:
    now = datetime.now(UTC)
    of_token, of_key = [await principals.authenticate(text, now=now) for text in (token, key)]

    assert (of_token.key_id, of_token.membership_id) == (of_key.key_id, of_key.membership_id)


async def test_tokens_without_a_key_count_by_their_member(principals: Principals, student: Membership) -> None:
    def start() -> str:
        return families.start(Caller(user=student.user, membership=student, scopes=ALL), now=datetime.now(UTC)).access

    texts = [await asyncio.to_thread(start) for _ in range(2)]

    assert {(await principals.authenticate(text, now=datetime.now(UTC))).key_id for text in texts} == {
        KEYLESS + student.pk
    }


async def test_a_token_is_verified_once(principals: Principals, token: str, django_db_blocker: Any) -> None:
    now = datetime.now(UTC)
    found = await asyncio.gather(*(principals.authenticate(token, now=now) for _ in range(20)))

    with django_db_blocker.block():
        assert await principals.authenticate(token, now=now) is found[0]
        assert principals.knows(token)
    assert len({id(one) for one in found}) == 1


async def test_it_is_refused_from_the_instant_at_which_it_expires(principals: Principals, token: str) -> None:
    end = datetime.now(UTC) + access_tokens.LIFETIME + access_tokens.LEEWAY

    assert not await refuses(principals, token, now=end - timedelta(seconds=5))
    assert await refuses(principals, token, now=end)


async def test_a_revoked_family_makes_nobody_look_up_keys_again(
    principals: Principals, token: str, key: str, student: Membership, django_db_blocker: Any
) -> None:
    await look_again(principals)
    assert not await refuses(principals, token) and not await refuses(principals, key)

    await asyncio.to_thread(lambda: TokenFamily.objects.filter(user=student.user).revoke(now=datetime.now(UTC)))
    await look_again(principals)

    with django_db_blocker.block():
        assert not await refuses(principals, key)
    assert await refuses(principals, token)


async def test_what_changes_about_accounts_is_looked_up_for_tokens_too(
    principals: Principals, token: str, key: str
) -> None:
    assert not await refuses(principals, token)

    await asyncio.to_thread(lambda: ApiKey.objects.filter(last_four=key[-4:]).revoke(now=datetime.now(UTC)))
    await look_again(principals)

    assert await refuses(principals, token)


async def test_a_token_that_was_refused_is_remembered(
    principals: Principals, token: str, django_db_blocker: Any
) -> None:
    assert await refuses(principals, token[:-4])

    with django_db_blocker.block():
        assert await refuses(principals, token[:-4])


async def test_a_token_of_a_clock_that_is_ahead_is_not_held_against_it(principals: Principals, token: str) -> None:
    claims, now = dict(access_tokens.read(token).claims), int(time.time())
    kid, key = await asyncio.to_thread(lambda: signing.signer(now=datetime.now(UTC)))
    early = access_tokens.sign({**claims, "nbf": now + 31}, key, kid=kid)

    assert await refuses(principals, early)

    await asyncio.sleep(now + 1.1 - time.time())
    assert not await refuses(principals, early)


async def test_a_person_without_a_course_has_none_here(principals: Principals) -> None:
    def start() -> str:
        return families.start(Caller(user=factories.make_operator(), scopes=ALL), now=datetime.now(UTC)).access

    assert await refuses(principals, await asyncio.to_thread(start))
