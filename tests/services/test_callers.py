"""Who may call a service, and what the others learn: not even whether there is one."""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from apps.accounts.models import ApiKey, Course
from apps.accounts.principals import Principal
from apps.accounts.scopes import Scopes
from apps.common.errors import GatewayError
from apps.services.callers import refuse_narrowed, refuse_others, seen_by
from tests import factories
from tests.chat.world import wait_until
from tests.services.entries import caller, entry
from tests.services.instances import UsersInstance
from tests.services.world import ServiceWorld

NOWHERE = "no-such-service"


def code_of(principal: Principal | None, **service: Any) -> str:
    try:
        refuse_others(entry(**service), principal)
    except GatewayError as error:
        return error.code
    return ""


@pytest.mark.parametrize(
    ("callers", "role", "code"),
    [
        ({"student"}, "student", ""),
        ({"student"}, "assistant", "not_a_caller"),
        ({"staff"}, "assistant", ""),
        ({"staff"}, "instructor", ""),
        ({"staff"}, "student", "not_a_caller"),
        ({"service"}, "service", ""),
        ({"student", "staff"}, "service", "not_a_caller"),
        ({"anonymous"}, "student", ""),
        ({"anonymous"}, None, ""),
        ({"student", "staff", "service"}, None, "invalid_api_key"),
    ],
)
def test_callers_are_admitted_by_their_role(callers: set[str], role: str | None, code: str) -> None:
    assert code_of(caller(role=role) if role else None, callers=frozenset(callers)) == code


def test_a_service_may_be_for_some_courses() -> None:
    mine, theirs = frozenset({2, 3}), frozenset({3})

    assert code_of(caller(course_id=2), courses=mine) == ""
    assert code_of(caller(course_id=2), courses=theirs) == "not_a_caller"


@pytest.mark.parametrize(
    ("scopes", "method", "code"),
    [
        (Scopes(surfaces=frozenset({"chat"})), "GET", "outside_surfaces"),
        (Scopes(surfaces=frozenset({"svc"})), "POST", ""),
        (Scopes(reads_only=True), "GET", ""),
        (Scopes(reads_only=True), "HEAD", ""),
        (Scopes(reads_only=True), "DELETE", "key_reads_only"),
    ],
)
def test_scopes_narrow_what_a_key_asks_of_any_service(scopes: Scopes, method: str, code: str) -> None:
    try:
        refuse_narrowed(scopes, method=method)
    except GatewayError as error:
        assert error.code == code
    else:
        assert code == ""


def test_a_service_outside_of_the_scopes_does_not_exist() -> None:
    narrow = caller(scopes=Scopes(services=frozenset({"users"})))

    assert seen_by(narrow, entry(name="users")) is not None
    assert seen_by(narrow, entry(name="library")) is None
    assert seen_by(caller(), entry(name="library")) is not None


# Through HTTP


def told(answer: httpx.Response) -> tuple[int, dict[str, Any], Mapping[str, str]]:
    """All that a caller sees, without what differs between any two requests."""
    headers = {name: value for name, value in answer.headers.items() if name not in ("date", "x-request-id")}
    return answer.status_code, answer.json() | {"request_id": ""}, headers


@pytest.mark.parametrize("key", ["", "stoa_sk_wrong", "eyJh.eyJh.eyJh"], ids=["none", "wrong", "token"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "PROPFIND"])
def test_strangers_do_not_learn_which_services_there_are(
    service_world: ServiceWorld, users: UsersInstance, key: str, method: str
) -> None:
    headers = {"origin": "https://evil.example", "access-control-request-method": "GET"}
    if key:
        headers["authorization"] = f"Bearer {key}"
    here = service_world.http.request(method, service_world.url(), headers=headers)
    nowhere = service_world.http.request(method, f"{service_world.gateway.base_url}/svc/{NOWHERE}/", headers=headers)

    assert told(here) == told(nowhere)
    assert here.status_code == 401
    assert users.journal == []


def test_nor_do_keys_that_are_for_other_services(service_world: ServiceWorld, users: UsersInstance) -> None:
    narrow = Scopes(services=frozenset({"another"}))
    key = ApiKey.issue(membership=service_world.student, scopes=narrow)[1]
    chat = ApiKey.issue(membership=service_world.student, scopes=Scopes(surfaces=frozenset({"chat"})))[1]
    nowhere = f"{service_world.gateway.base_url}/svc/{NOWHERE}/"

    for one, code in ((key, "unknown_service"), (chat, "outside_surfaces")):
        other = service_world.http.get(nowhere, headers={"authorization": f"Bearer {one}"})
        here = service_world.get(key=one)
        assert told(here) == told(other)
        assert here.json()["code"] == code
    assert users.journal == []


def test_a_key_for_this_service_alone_opens_it_and_nothing_else(
    service_world: ServiceWorld, users: UsersInstance
) -> None:
    narrow = Scopes(services=frozenset({service_world.service.name}), surfaces=frozenset({"svc"}))
    key = ApiKey.issue(membership=service_world.student, scopes=narrow)[1]
    answer = service_world.http.post(f"{service_world.gateway.base_url}/auth/token", json={"api_key": key})

    for one in (key, answer.json()["access_token"]):
        assert service_world.get(key=one).status_code == 200
    models = service_world.http.get(
        f"{service_world.gateway.base_url}/v1/models", headers={"authorization": f"Bearer {key}"}
    )
    assert models.status_code == 403


def test_who_may_call_changes_while_it_runs(service_world: ServiceWorld, users: UsersInstance) -> None:
    other = factories.make_course()
    service_world.service.courses.set([other])
    service_world.change(tags=["other"])  # announces the change

    wait_until(lambda: service_world.get().status_code == 403, what="The change")

    assert service_world.get().json()["fixed_by"] == "operator"
    assert service_world.get(key=factories.make_key(factories.make_student(course=other))).status_code == 200


def test_a_closed_course_calls_nothing(service_world: ServiceWorld, users: UsersInstance) -> None:
    Course.objects.filter(pk=service_world.course.pk).update(is_open=False)

    wait_until(lambda: service_world.get().status_code == 403, what="The end of the course")

    assert service_world.get().json()["code"] == "course_closed"
