"""A student says that a refusal was wrong, and learns what became of it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import openai
import pytest

from apps.conversations import appeals, outcomes
from apps.conversations.models import Appeal, Turn
from tests import factories
from tests.chat.pool import WorldPool
from tests.chat.world import World, make_world, wait_until
from tests.live import Gateway
from tests.provider_stub import ProviderStub

PROMPT = "Is “to solve my homework” an infinitive?"
RULE = {"name": "no-homework", "examples_match": "Please solve  my homework now"}
REASON = "It is a question of grammar."
PATH = "/v1/rules/appeals"


@pytest.fixture(scope="module")
def pool(gateway: Gateway) -> Iterator[WorldPool]:
    with WorldPool(gateway, rules=[{"name": "no-homework"}]) as pool:
        yield pool


def refused(world: World, prompt: str = PROMPT) -> dict[str, Any]:
    """The body of the refusal."""
    with pytest.raises(openai.BadRequestError) as caught:
        world.ask(prompt)
    assert isinstance(caught.value.body, dict)
    return caught.value.body


def post(world: World, body: Any = None, *, key: str | None = None, **options: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {key or world.key}"}
    content = options or {"json": body}
    return httpx.post(f"{world.gateway.base_url}{PATH}", headers=headers, timeout=30, **content)


def appeal(world: World, request_id: str, reason: str = REASON) -> httpx.Response:
    return post(world, {"request_id": request_id, "reason": reason})


def told(world: World) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = world.get(PATH).raise_for_status().json()["data"]
    return listed


def test_a_refusal_says_where_to_appeal(world: World) -> None:
    assert refused(world)["appeal"] == {"method": "POST", "path": PATH}


def test_an_appeal_is_filed_with_the_rule_and_its_version(world: World) -> None:
    call = refused(world)["request_id"]

    answer = appeal(world, call)

    filed = Appeal.objects.get(call=call)
    assert answer.status_code == 201
    assert (filed.reason, filed.state, filed.rule_name, filed.rule_version) == (REASON, "open", "no-homework", 1)
    assert filed.rule == world.course.rules.get()


def test_the_student_sees_it_open(world: World) -> None:
    call = refused(world)["request_id"]
    answer = appeal(world, call).json()

    (one,) = told(world)

    assert one == answer
    assert (one["request_id"], one["state"], one["answer"], one["decided_at"]) == (call, "open", "", None)


def test_the_student_learns_that_it_was_declined_and_why(world: World) -> None:
    appeal(world, refused(world)["request_id"])
    tess = factories.make_instructor(course=world.course).user

    outcomes.refuse(Appeal.objects.get(call__membership=world.student), by=tess, now=datetime.now(UTC), answer="It is.")

    (one,) = told(world)
    assert (one["state"], one["answer"]) == ("declined", "It is.")
    assert datetime.fromisoformat(one["decided_at"]) >= datetime.fromisoformat(one["created_at"])


def test_what_was_accepted_passes_the_next_time_and_nothing_else_does(
    committed_db: None, gateway: Gateway, stub: ProviderStub
) -> None:
    with make_world(gateway, stub, rules=[RULE | {"pattern": r"(?i)(to|please) solve\s+my\s+homework"}]) as world:
        call = refused(world)["request_id"]
        appeal(world, call)
        wait_until(lambda: Turn.objects.filter(call=call).exists(), what="The text of the call")
        filed, tess = Appeal.objects.get(call=call), factories.make_instructor(course=world.course).user

        texts = outcomes.found_texts(filed)
        outcomes.let_pass_for_everyone(filed, by=tess, texts=texts, now=datetime.now(UTC))

        assert texts == ["to solve my homework"]
        wait_until(lambda: passes(world, PROMPT), what="The exception")
        assert refused(world, "Please solve my homework")["code"] == "blocked_by_rule"
        assert told(world)[0]["answer"] == outcomes.EVERYONE


def passes(world: World, prompt: str) -> bool:
    try:
        world.ask(prompt)
    except openai.BadRequestError:
        return False
    return True


# What is no appeal


def code_of(answer: httpx.Response) -> tuple[int, str, str | None]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["param"]


def test_one_call_is_appealed_against_once(world: World) -> None:
    call = refused(world)["request_id"]
    appeal(world, call)

    again = appeal(world, call, "Please!")

    assert code_of(again) == (400, "already_appealed", "request_id")
    assert Appeal.objects.get(call=call).reason == REASON


def test_a_call_that_was_answered_is_nothing_to_appeal_against(world: World) -> None:
    answered = world.openai().chat.completions.with_raw_response.create(**world.body())

    answer = appeal(world, answered.headers["x-request-id"])

    assert code_of(answer) == (400, "not_refused_by_rule", "request_id")


def test_a_call_of_somebody_else_does_not_exist(world: World) -> None:
    call = refused(world)["request_id"]
    other = factories.make_key(factories.make_student(course=world.course))

    answer = post(world, {"request_id": call, "reason": REASON}, key=other)

    assert code_of(answer) == (404, "request_not_found", "request_id")
    assert not Appeal.objects.filter(call=call).exists()


def test_the_appeals_of_somebody_else_are_not_listed(world: World) -> None:
    appeal(world, refused(world)["request_id"])
    other = factories.make_key(factories.make_student(course=world.course))

    assert world.get(PATH, key=other).json()["data"] == []


BODIES: list[tuple[Any, str | None]] = [
    ({}, "request_id"),
    ({"request_id": 5, "reason": REASON}, "request_id"),
    ({"request_id": "x" * 33, "reason": REASON}, "request_id"),
    ({"request_id": "abc"}, "reason"),
    ({"request_id": "abc", "reason": ""}, "reason"),
    ({"request_id": "abc", "reason": "  \n"}, "reason"),
    ({"request_id": "abc", "reason": "x" * 1001}, "reason"),
    ({"request_id": "abc", "reason": ["x"]}, "reason"),
    ({"request_id": "abc", "reason": "a\x00b"}, "reason"),
    ([], None),
    ("text", None),
    (None, None),
]


@pytest.mark.parametrize(("body", "param"), BODIES, ids=lambda value: str(value)[:40])
def test_a_body_that_is_no_appeal_is_refused_where_it_is_wrong(body: Any, param: str | None, world: World) -> None:
    answer = post(world, body)

    status, _, wrong = code_of(answer)
    assert (status, wrong) == (400, param)


@pytest.mark.parametrize(
    ("content", "code"), [(b"", "invalid_json"), (b"{", "invalid_json"), (b"\xff", "invalid_encoding")]
)
def test_what_is_no_json_is_refused(content: bytes, code: str, world: World) -> None:
    assert code_of(post(world, content=content)) == (400, code, None)


def test_appeals_that_nobody_answers_are_bounded(world: World) -> None:
    student = world.student
    for _ in range(appeals.MOST_OPEN):
        call = factories.make_call(student, status="blocked")
        Appeal.objects.create(call=call, membership=student, reason="x", created_at=call.started_at)

    answer = appeal(world, refused(world)["request_id"])

    assert code_of(answer) == (403, "too_many_appeals", None)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_it_needs_a_key(method: str, world: World) -> None:
    assert httpx.request(method, f"{world.gateway.base_url}{PATH}").status_code == 401


def test_in_a_course_that_records_no_hits_a_refusal_can_be_appealed_against_too(
    committed_db: None, gateway: Gateway, stub: ProviderStub
) -> None:
    with make_world(gateway, stub, rules=[RULE], course={"logging": "off"}) as world:
        answer = appeal(world, refused(world)["request_id"])

        assert answer.status_code == 201
        assert Appeal.objects.get(call__membership=world.student).rule is None
