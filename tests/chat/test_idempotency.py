"""An Idempotency-Key: one execution, whatever becomes of the client, and its answer for whoever repeats it."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest

from apps.chat.models import Repeat
from apps.common.ids import new_id
from apps.quotas.models import Hold
from tests import factories
from tests.chat.world import World, make_world, wait_until
from tests.live import Gateway
from tests.provider_stub import ProviderStub

LONG = " ".join(f"word{number}" for number in range(40))
KINDS = pytest.mark.parametrize("options", [{}, {"stream": True}], ids=["plain", "streamed"])


def post(world: World, key: str, *, prompt: str = "Explain recursion", student: str = "", **options: Any) -> Any:
    headers = {"authorization": f"Bearer {student or world.key}", "idempotency-key": key}
    return world.post(world.body(prompt, **options), headers=headers)


def code_of(response: httpx.Response) -> str:
    return str(response.json()["error"]["code"])


@KINDS
def test_the_answer_is_given_again_byte_by_byte_and_charged_once(
    world: World, stub: ProviderStub, options: dict[str, Any]
) -> None:
    key = new_id()
    first = post(world, key, **options)
    used = world.settled().used

    again = [post(world, key, **options) for _ in range(3)]

    assert [response.content for response in again] == [first.content] * 3
    assert {response.headers["content-type"] for response in again} == {first.headers["content-type"]}
    assert {response.headers["x-gateway-replayed"] for response in again} == {first.headers["x-request-id"]}
    assert {response.headers["x-gateway-model"] for response in again} == {first.headers["x-gateway-model"]}
    assert (len(stub.journal), len(world.calls()), world.settled().used) == (1, 1, used)


def test_a_repeat_says_how_the_week_stands_now(world: World) -> None:
    key = new_id()
    first = post(world, key)
    post(world, new_id())

    again = post(world, key)

    left = [int(response.headers["x-quota-remaining-tokens"]) for response in (first, again)]
    assert left[1] == world.usage()["remaining"] < left[0]


def test_while_the_first_is_being_answered_the_next_is_told_to_wait(world: World, stub: ProviderStub) -> None:
    key = new_id()
    stub.will(text=LONG, pause_after=5)
    headers = {"idempotency-key": key}
    completions = world.openai().chat.completions
    first = completions.with_raw_response.create(**world.body(stream=True), extra_headers=headers)

    with pytest.raises(openai.ConflictError) as caught:
        completions.create(**world.body(stream=True), extra_headers=headers)

    assert caught.value.code == "idempotency_in_flight"
    assert caught.value.response.headers["retry-after"] == "2"
    assert caught.value.response.json()["error"]["original_request_id"] == first.headers["x-request-id"]
    stub.go_on()
    list(first.parse())


def test_the_official_client_waits_by_itself_and_gets_the_answer(world: World, stub: ProviderStub) -> None:
    headers = {"idempotency-key": new_id()}
    stub.will(text=LONG, delay=1.0)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(world.ask, extra_headers=headers)
        stub.wait_until(lambda: stub.journal)

        second = world.openai(max_retries=5).chat.completions.create(**world.body(), extra_headers=headers)

    assert second.choices[0].message.content == first.result().choices[0].message.content == LONG
    assert len(stub.journal) == 1


def test_the_same_key_with_another_body_is_refused(world: World, stub: ProviderStub) -> None:
    key = new_id()
    post(world, key)

    response = post(world, key, prompt="Something else")

    assert (response.status_code, code_of(response)) == (400, "idempotency_key_reused")
    assert len(stub.journal) == 1


def test_what_is_no_key_is_refused(world: World, stub: ProviderStub) -> None:
    response = post(world, "a b")

    assert (response.status_code, code_of(response)) == (400, "invalid_idempotency_key")
    assert stub.journal == []


def test_another_students_key_is_another_key(world: World, stub: ProviderStub) -> None:
    key = new_id()
    other = factories.make_key(factories.make_student(course=world.course))
    post(world, key)

    response = post(world, key, student=other)

    assert response.status_code == 200
    assert "x-gateway-replayed" not in response.headers
    assert len(stub.journal) == 2


def test_a_student_with_two_api_keys_is_one_student(world: World, stub: ProviderStub) -> None:
    key = new_id()
    post(world, key)

    response = post(world, key, student=factories.make_key(world.student))

    assert "x-gateway-replayed" in response.headers
    assert len(stub.journal) == 1


@pytest.mark.parametrize(
    ("behaviour", "options"),
    [({"body": b""}, {}), ({"cut_after": 3}, {"stream": True}), ({"half_body": True}, {})],
    ids=["refused", "broken off", "half"],
)
def test_after_a_failure_the_repeat_is_carried_out(
    world: World, stub: ProviderStub, behaviour: dict[str, Any], options: dict[str, Any]
) -> None:
    key = new_id()
    stub.will(**behaviour)
    post(world, key, **options)
    world.settled()

    again = post(world, key, **options)

    assert again.status_code == 200
    assert "x-gateway-replayed" not in again.headers
    assert len(stub.journal) == 2


def test_a_call_that_a_rule_blocks_leaves_its_key_free(
    committed_db: None, gateway: Gateway, plain_stub: ProviderStub
) -> None:
    key = new_id()
    with make_world(gateway, plain_stub, rules=[{}]) as world:
        blocked = post(world, key, prompt="Solve my homework")

        response = post(world, key)

    assert (blocked.status_code, response.status_code) == (400, 200)


@KINDS
def test_a_client_that_leaves_finds_the_answer_when_it_comes_back(
    world: World, stub: ProviderStub, options: dict[str, Any]
) -> None:
    key = new_id()
    stub.will(text=LONG, delay=0.4)
    headers = {"authorization": f"Bearer {world.key}", "idempotency-key": key}
    with pytest.raises(httpx.ReadTimeout):
        world.post(world.body(**options), headers=headers, timeout=0.2)
    world.settled()

    again = world.post(world.body(**options), headers=headers)

    assert again.status_code == 200
    assert "x-gateway-replayed" in again.headers
    assert LONG.split()[-1] in again.text
    assert (len(stub.journal), world.call().status) == (1, "answered")


def test_an_answer_too_long_to_be_kept_is_not_asked_for_twice(world: World, stub: ProviderStub) -> None:
    key = new_id()
    stub.will(text="x" * 2**20)
    first = post(world, key)

    again = post(world, key)

    assert first.status_code == 200
    assert (again.status_code, code_of(again)) == (400, "idempotency_answer_not_kept")
    assert len(stub.journal) == 1


def test_nothing_readable_is_kept(world: World, stub: ProviderStub) -> None:
    stub.will(text="unmistakable words")
    key = new_id()

    call = post(world, key).headers["x-request-id"]

    row = Repeat.objects.get(call=call)
    assert row.state == Repeat.State.DONE
    assert "unmistakable" not in row.answer
    assert key not in f"{row.id} {row.body} {row.answer}"


def test_what_was_taken_for_dead_does_not_get_its_key_back(world: World, stub: ProviderStub) -> None:
    """The sweep of its hold frees the key. If it ends after all, its answer is not put in the place of another's."""
    key = new_id()
    stub.will(text=LONG, pause_after=5)
    headers = {"idempotency-key": key}
    stream = world.openai().chat.completions.create(
        **world.body("Explain recursion", stream=True), extra_headers=headers
    )
    hold = wait_until(world.holds)[0]
    Hold.objects.filter(pk=hold.pk).update(expires_at=hold.created_at)
    wait_until(lambda: not Repeat.objects.filter(call=hold.pk).exists(), what="The end of the claim")

    second = post(world, key, stream=True)
    stub.go_on()
    list(stream)
    third = post(world, key, stream=True)

    assert (second.status_code, len(stub.journal)) == (200, 2)
    assert third.headers["x-gateway-replayed"] == second.headers["x-request-id"]
    assert third.content == second.content
    world.settled()
    assert {one.state for one in world.holds()} == {Hold.State.ADJUSTED, Hold.State.SETTLED}
