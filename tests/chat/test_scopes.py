"""What a narrowed key opens, and how the rest is refused. Most of it asks for no answer of a provider."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from apps.accounts.models import ApiKey, Membership, Role
from apps.accounts.scopes import Scopes
from apps.dataplane.scope_checks import SURFACES
from tests import factories
from tests.chat.world import World, wait_until

CHAT, USAGE, NONE = frozenset({"chat"}), frozenset({"usage"}), frozenset[str]()
REQUEST = {"tokens": 5, "reason": "The tests need more."}


def key_of(world: World, *, role: str = Role.STUDENT, expires_at: datetime | None = None, **scopes: Any) -> str:
    member: Membership = world.student
    if role != Role.STUDENT:
        member = factories.make_member(course=world.course, role=role)
    return ApiKey.issue(membership=member, scopes=Scopes(**scopes), expires_at=expires_at)[1]


def answers(world: World, key: str) -> dict[str, int]:
    """The status of each part of the API; a body that is wrong shows that the request got as far as its body."""
    post = {"headers": {"authorization": f"Bearer {key}"}}
    return {
        "chat": world.post({}, **post).status_code,
        "models": world.get("/v1/models", key=key).status_code,
        "usage": world.get("/v1/usage", key=key).status_code,
        "requests": world.get("/v1/usage/requests", key=key).status_code,
        "file": world._http.post(f"{world.gateway.base_url}/v1/usage/requests", json={}, **post).status_code,
    }


OPEN = {"chat": 400, "models": 200, "usage": 200, "requests": 200, "file": 400}


@pytest.mark.parametrize(
    ("scopes", "refused"),
    [
        ({}, {}),
        ({"surfaces": CHAT}, {"usage": 403, "requests": 403, "file": 403}),
        ({"surfaces": USAGE}, {"chat": 403}),
        ({"surfaces": frozenset({"svc"})}, dict.fromkeys(OPEN, 403)),
        ({"reads_only": True}, {"chat": 403, "file": 403}),
        ({"reads_only": True, "surfaces": USAGE}, {"chat": 403, "file": 403}),
    ],
)
def test_a_key_opens_what_its_scopes_say(scopes: dict[str, Any], refused: dict[str, int], world: World) -> None:
    assert answers(world, key_of(world, **scopes)) == OPEN | refused


@pytest.mark.parametrize(
    ("scopes", "code"),
    [({"surfaces": USAGE}, "outside_surfaces"), ({"reads_only": True}, "key_reads_only")],
)
def test_the_refusal_says_which_scope_and_who_can_change_it(scopes: dict[str, Any], code: str, world: World) -> None:
    answer = world.post(key=key_of(world, **scopes))

    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["fixed_by"], error["charged"]) == (403, code, "instructor", 0)


def test_a_model_outside_does_not_exist_for_the_key(world: World) -> None:
    other = factories.make_model(course=world.course)
    wait_until(lambda: len(world.get("/v1/models").json()["data"]) == 2)
    key = key_of(world, models=frozenset({other.name}))

    listed = [model["id"] for model in world.get("/v1/models", key=key).json()["data"]]
    missing = [world.get(f"/v1/models/{name}", key=key) for name in (world.model.name, "no-such-model")]
    asked = world.post(key=key)

    assert listed == [other.name]
    assert [answer.status_code for answer in (*missing, asked)] == [404, 404, 404]
    assert asked.json()["error"]["code"] == "model_not_found"
    assert missing[0].json()["error"]["code"] == missing[1].json()["error"]["code"]


def test_a_key_of_an_assignment_carries_it_whatever_the_client_says(world: World) -> None:
    factories.make_rule(course=world.course, pattern="recursion", assignment="essay-1", message="Not in this essay.")
    key = key_of(world, assignment="essay-1")

    def ask(**headers: str) -> str:
        answer = world.post(headers={"authorization": f"Bearer {key}", **headers})
        return str(answer.json().get("error", {}).get("code"))

    wait_until(lambda: ask() != "None", what="The rule")
    codes = [ask(), ask(**{"x-assignment": "essay-1"}), ask(**{"x-assignment": "essay-2"})]
    assert codes == ["blocked_by_rule", "blocked_by_rule", "outside_assignment"]


def test_a_narrowed_key_does_not_turn_to_a_fallback_outside(world: World) -> None:
    fallback = factories.make_model(*world.providers, course=world.course)
    policy = world.course.quota_policy
    policy.student_weekly_tokens, policy.after_exhaustion = 0, "fallback"
    policy.fallback_model, policy.fallback_student_weekly_tokens = fallback.name, 1_000_000
    policy.save()
    narrowed = key_of(world, models=frozenset({world.model.name}))
    wait_until(lambda: "x-quota-fallback" in world.post().headers, what="The fallback")

    assert world.post(key=narrowed).json()["error"]["type"] == "insufficient_quota"


def test_narrowing_a_key_holds_within_two_seconds(world: World) -> None:
    assert world.get("/v1/usage").status_code == 200

    ApiKey.objects.filter(membership=world.student).update(allowed_surfaces="chat")

    wait_until(lambda: world.get("/v1/usage").status_code == 403, seconds=2)


# Service accounts


def test_a_service_account_chats_with_a_key_of_its_own_kind(world: World) -> None:
    key = key_of(world, role=Role.SERVICE)

    assert key.startswith("stoa_svc_")
    assert world.openai(key=key).chat.completions.create(**world.body()).choices[0].message.content
    assert world.get("/v1/usage", key=key).status_code == 200


def test_a_service_account_has_the_allowance_of_its_role(world: World) -> None:
    factories.make_role_allowance(course=world.course, role=Role.SERVICE, weekly_tokens=7_000)
    key = key_of(world, role=Role.SERVICE)

    wait_until(lambda: world.get("/v1/usage", key=key).json()["limit"] == 7_000)
    assert world.usage()["limit"] != 7_000


def test_a_service_account_files_nothing(world: World) -> None:
    key = key_of(world, role=Role.SERVICE)
    headers = {"authorization": f"Bearer {key}"}

    answer = world._http.post(f"{world.gateway.base_url}/v1/usage/requests", json=REQUEST, headers=headers)

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_for_service_accounts")


def test_a_key_of_the_wrong_kind_is_refused_like_any_wrong_key(world: World) -> None:
    service = factories.make_member(course=world.course, role=Role.SERVICE)
    _, of_service = ApiKey.issue(membership=service)
    Membership.objects.filter(pk=service.pk).update(role=Role.STUDENT)

    expired = key_of(world, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    bodies = {
        tuple(world.get("/v1/usage", key=key).json()["error"][name] for name in ("code", "message"))
        for key in (of_service, expired, "stoa_sk_wrong", of_service.replace("_svc_", "_sk_"))
    }

    assert len(bodies) == 1


# The table of surfaces


def test_every_address_of_the_student_api_has_a_surface() -> None:
    parts = {
        route.removeprefix("v1/").partition("/")[0] for route in _routes(get_resolver()) if route.startswith("v1/")
    }

    assert parts == set(SURFACES)


def _routes(resolver: URLResolver, before: str = "") -> Any:
    for one in resolver.url_patterns:
        if isinstance(one, URLPattern):
            yield before + str(one.pattern).lstrip("/")
        else:
            yield from _routes(one, before + str(one.pattern).lstrip("/"))
