"""Keys of members of staff: what they open, for whom, and how all others are refused alike."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import ApiKey, Membership, StaffKey, User
from tests import factories
from tests.admin.world import CourseWorld
from tests.staff_api.asking import CALLS, refusal


def ask(key: str, *, client: Client | None = None, method: str = "get", address: str = CALLS) -> Any:
    return getattr(client or Client(), method)(address, headers={"authorization": f"Bearer {key}"})


def found(key: str) -> list[str]:
    return [call["id"] for call in ask(key).json()["results"]]


@pytest.fixture
def key(teacher: Membership) -> str:
    return StaffKey.issue(user=teacher.user)[1]


def test_a_key_sees_what_its_holder_sees(key: str, world: CourseWorld, foreign: CourseWorld) -> None:
    assert key.startswith("stoa_stf_")
    assert found(key) == [world.call.pk]
    assert ask(key, address=f"{CALLS}/{foreign.call.pk}").status_code == 404


def test_a_key_of_an_operator_sees_everything(world: CourseWorld, foreign: CourseWorld) -> None:
    _, key = StaffKey.issue(user=factories.make_operator())

    assert {world.call.pk, foreign.call.pk} <= set(found(key))


def test_a_key_never_does_more_than_its_holder_may_now(key: str, teacher: Membership, world: CourseWorld) -> None:
    Membership.objects.filter(pk=teacher.pk).update(is_active=False)
    dropped = found(key)
    User.objects.filter(pk=teacher.user_id).update(is_staff=False)
    demoted = ask(key).status_code
    User.objects.filter(pk=teacher.user_id).update(is_active=False)

    assert (dropped, demoted, ask(key).status_code) == ([], 403, 401)


def test_a_key_only_reads_by_default(key: str, teacher: Membership) -> None:
    _, writing = StaffKey.issue(user=teacher.user, reads_only=False)

    assert refusal(ask(key, method="post"))["code"] == "key_reads_only"
    assert ask(writing, method="post").status_code == 405


def test_whatever_is_wrong_the_answer_is_the_same(key: str, teacher: Membership, world: CourseWorld) -> None:
    _, revoked = StaffKey.issue(user=teacher.user)
    _, expired = StaffKey.issue(user=teacher.user, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    _, api_key = ApiKey.issue(membership=teacher)
    StaffKey.objects.filter(last_four=revoked[-4:]).revoke(now=datetime.now(UTC))
    wrong = [revoked, expired, api_key, world.key_text, key[:-1], key + "0", "", "stoa_stf_", "eyJ.eyJ.x", "ü"]

    answers = [ask(text) for text in wrong]
    answers += [Client().get(CALLS, headers={"authorization": f"Basic {key}"}), Client().get(CALLS)]

    told = [(answer.status_code, answer.headers["www-authenticate"], refusal(answer)["message"]) for answer in answers]
    assert len(set(told)) == 1
    assert told[0][0] == 401


def test_two_credentials_are_none(key: str, instructor: Client) -> None:
    assert instructor.get(CALLS).status_code == 200
    assert ask(key, client=instructor).status_code == 401


def test_a_staff_key_opens_no_page_of_the_admin(key: str) -> None:
    assert ask(key, address="/admin/").status_code == 302
