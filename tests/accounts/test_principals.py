"""Who stands behind a key."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings

from apps.accounts.keys import issue
from apps.accounts.models import ApiKey, Course, Membership, User
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


NO_KEYS = {
    "none": None,
    "empty": "",
    "somebody else's": "sk-1234",
    "only the prefix": "stoa_sk_",
    "never issued": issue(pepper="another").text,
}


@pytest.mark.parametrize("text", NO_KEYS.values(), ids=NO_KEYS.keys())
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


CAUSES: dict[str, Callable[[ApiKey], object]] = {
    "revoked": lambda row: ApiKey.objects.filter(pk=row.pk).revoke(now=NOW),
    "deleted": lambda row: row.delete(),
    "of an inactive member": lambda row: Membership.objects.filter(pk=row.membership_id).update(is_active=False),
    "of an inactive person": lambda row: User.objects.filter(pk=row.membership.user_id).update(is_active=False),
    "of a member who is gone": lambda row: Membership.objects.filter(pk=row.membership_id).delete(),
}


@pytest.mark.parametrize("cause", CAUSES.values(), ids=CAUSES.keys())
async def test_no_cause_of_a_refusal_can_be_told_from_another(key: str, cause: Callable[[ApiKey], object]) -> None:
    await asyncio.to_thread(lambda: cause(ApiKey.objects.select_related("membership").get(last_four=key[-4:])))

    with pytest.raises(InvalidKey) as caught:
        await Principals().authenticate(key, now=NOW)

    assert caught.value.body(request_id="r") == InvalidKey().body(request_id="r")


async def test_a_key_of_a_closed_course_is_still_known(key: str) -> None:
    await asyncio.to_thread(
        lambda: Course.objects.filter(memberships__api_keys__last_four=key[-4:]).update(is_open=False)
    )

    assert not (await Principals().authenticate(key, now=NOW)).is_open


# In memory


async def test_a_wrong_checksum_asks_no_database(key: str, django_db_blocker: Any) -> None:
    wrong = key[:-1] + ("0" if key[-1] != "0" else "1")

    with django_db_blocker.block():
        assert await refuses(Principals(), wrong)


async def test_a_key_that_was_found_is_remembered(key: str, django_db_blocker: Any) -> None:
    principals = Principals()
    found = await principals.authenticate(key, now=NOW)

    with django_db_blocker.block():
        assert await principals.authenticate(key, now=NOW) is found


async def test_a_key_that_was_not_found_is_remembered_apart(key: str, django_db_blocker: Any) -> None:
    principals, unknown = Principals(), [issue(pepper=settings.KEY_PEPPER).text for _ in range(20)]
    await principals.authenticate(key, now=NOW)
    for text in unknown:
        await refuses(principals, text)

    with django_db_blocker.block():
        assert all([await refuses(principals, text) for text in unknown])
        assert not await refuses(principals, key)


async def test_after_a_change_every_key_is_looked_up_again(key: str, django_db_blocker: Any) -> None:
    principals = Principals()
    principals.revision.refresh(1)
    await principals.authenticate(key, now=NOW)

    principals.revision.refresh(2)

    with django_db_blocker.block(), pytest.raises(RuntimeError):
        await principals.authenticate(key, now=NOW)


async def test_nobody_who_comes_after_a_change_gets_what_was_being_read_before_it(key: str) -> None:
    principals = Principals()
    principals.revision.refresh(1)
    reading = asyncio.create_task(principals.authenticate(key, now=NOW))
    for _ in range(3):
        await asyncio.sleep(0)

    principals.revision.refresh(2)

    assert await principals.authenticate(key, now=NOW) is not await reading


async def test_what_was_being_read_while_something_changed_is_not_remembered(key: str, django_db_blocker: Any) -> None:
    principals = Principals()
    principals.revision.refresh(1)
    reading = asyncio.create_task(principals.authenticate(key, now=NOW))
    for _ in range(3):
        await asyncio.sleep(0)

    principals.revision.refresh(2)
    await reading

    with django_db_blocker.block(), pytest.raises(RuntimeError):
        await principals.authenticate(key, now=NOW)


async def test_who_gives_up_waiting_does_not_hinder_the_others(key: str) -> None:
    principals = Principals()
    impatient, patient = (asyncio.create_task(principals.authenticate(key, now=NOW)) for _ in range(2))
    await asyncio.sleep(0)

    impatient.cancel()

    assert isinstance(await patient, Principal)
