"""A student sees their keys: when each was made, by whom, and when it was used last."""

import time
from typing import Any

import httpx

from apps.accounts.models import ApiKey, AuditEntry
from apps.common.actors import Actor, acting
from tests import factories
from tests.chat.world import World

PATH = "/v1/usage/keys"


def keys_of(world: World) -> list[dict[str, Any]]:
    answer = world.get(PATH)
    assert answer.status_code == 200
    listed: list[dict[str, Any]] = answer.json()["data"]
    return listed


def test_it_tells_when_each_was_made_and_by_whom(world: World) -> None:
    tess = factories.make_instructor(course=world.course).user
    stranger = factories.make_operator()
    for issuer, name in ((tess, "by tess"), (stranger, "by an operator"), (world.student.user, "my own")):
        with acting(Actor("person", issuer.pk)):
            ApiKey.issue(membership=world.student, name=name)

    listed = keys_of(world)

    assert [(key["name"], key["issued_by"]) for key in listed[:3]] == [
        ("my own", "you"),
        ("by an operator", "operator"),
        ("by tess", "instructor"),
    ]
    newest = ApiKey.objects.get(membership=world.student, name="my own")
    assert listed[0]["key"] == newest.shown
    assert listed[0]["created_at"] == newest.created_at.isoformat().replace("+00:00", "Z")
    assert listed[0]["revoked_at"] is None and listed[0]["last_used_at"] is None


def test_it_tells_nothing_of_others_and_no_secret(world: World) -> None:
    other = factories.make_student(course=world.course)
    factories.make_key(other)
    answer = world.get(PATH)

    assert {key["key"] for key in answer.json()["data"]} == {
        key.shown for key in ApiKey.objects.filter(membership=world.student)
    }
    assert world.key not in answer.text and world.student.api_keys.first().digest not in answer.text


def test_a_wrong_key_sees_nothing(world: World) -> None:
    assert world.get(PATH, key="none").status_code == 401


def test_the_last_use_arrives_within_seconds_and_guesses_are_told_of(world: World) -> None:
    for n in range(25):
        headers = {"api-key" if n % 2 else "authorization": f"Bearer stoa_wrong-{n}"}
        assert httpx.get(f"{world.gateway.base_url}{PATH}", headers=headers).status_code == 401
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        used = [key["last_used_at"] for key in keys_of(world) if key["key"] == f"stoa_…{world.key[-4:]}"]
        if all(used) and AuditEntry.objects.filter(action="key.guessed", address="127.0.0.1").exists():
            return
        time.sleep(0.3)
    raise AssertionError("Neither the last use nor the guesses were written.")
