"""Who stands behind a key."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings

from apps.accounts.keys import issue
from apps.accounts.models import ApiKey
from apps.accounts.principals import Principal, Principals
from apps.common.errors import InvalidKey
from apps.common.revisions import refresh_all
from tests import factories

pytestmark = pytest.mark.usefixtures("committed_db")

NOW = datetime.now(UTC)


@pytest.fixture
def key() -> str:
    course = factories.make_course(timezone="Europe/Helsinki", week_starts="sunday", logging="metadata")
    return factories.make_key(factories.make_student(course=course))


async def refuses(principals: Principals, text: str | None, *, now: datetime = NOW) -> bool:
    try:
        await principals.authenticate(text, now=now)
    except InvalidKey:
        return True
    return False


async def test_a_key_tells_the_member_and_the_course(key: str) -> None:
    principal = await Principals().authenticate(key, now=NOW)

    assert isinstance(principal, Principal)
    assert (principal.timezone, principal.first_day, principal.logging) == ("Europe/Helsinki", 6, "metadata")
    assert (principal.role, principal.is_open, principal.expires_at) == ("student", True, None)


@pytest.mark.parametrize("text", [None, "", "sk-1234", "stoa_sk_", issue(pepper="another").text])
async def test_what_is_no_key_of_ours_is_refused(text: str | None) -> None:
    assert await refuses(Principals(), text)


async def test_a_key_is_looked_up_once_however_many_ask(key: str) -> None:
    principals = Principals()

    found = await asyncio.gather(*(principals.authenticate(key, now=NOW) for _ in range(50)))

    assert len({id(principal) for principal in found}) == 1


async def test_an_expired_key_is_refused_from_that_instant() -> None:
    expires_at = NOW + timedelta(hours=1)
    key = await asyncio.to_thread(lambda: factories.make_key(factories.make_student(), expires_at=expires_at))
    principals = Principals()

    assert not await refuses(principals, key, now=expires_at - timedelta(microseconds=1))
    assert await refuses(principals, key, now=expires_at)


async def test_a_revoked_key_is_refused_after_the_next_look_at_the_revisions(key: str) -> None:
    principals = Principals()
    await asyncio.to_thread(refresh_all, [principals.revision])
    assert not await refuses(principals, key)

    await asyncio.to_thread(lambda: ApiKey.objects.filter(last_four=key[-4:]).revoke(now=NOW))
    await asyncio.to_thread(refresh_all, [principals.revision])

    assert await refuses(principals, key)


async def test_a_key_that_was_unknown_is_known_once_it_has_been_issued() -> None:
    principals = Principals()
    await asyncio.to_thread(refresh_all, [principals.revision])
    issued = issue(pepper=settings.KEY_PEPPER)
    assert await refuses(principals, issued.text)

    await asyncio.to_thread(
        lambda: ApiKey.objects.create(
            membership=factories.make_student(), digest=issued.digest, last_four=issued.last_four
        )
    )
    await asyncio.to_thread(refresh_all, [principals.revision])

    assert not await refuses(principals, issued.text)
