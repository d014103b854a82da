"""When an answer has begun."""

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from apps.chat.relay.attempts import Attempts, Providers
from apps.common.errors import GatewayError
from apps.providers.adapters.protocol import UpstreamBroken
from apps.providers.health.memory import Health
from tests.chat.unit.many_upstreams import GOOD, ROLE, SECRET_WORDS, ManyAdapter, Script, first_answer, targets
from tests.chat.unit.upstreams import DONE, FINISH, event, piece
from tests.chat.unit.values import a_call, a_route, a_target

NO_STREAM: dict[str, Script] = {
    "nothing": Script(),
    "a comment": Script([b": PROCESSING\n\n"]),
    "an error": Script([event({"error": {"message": SECRET_WORDS, "code": 429}})]),
    "an error behind a comment": Script(
        [b": PROCESSING\n\n", event({"error": {"message": SECRET_WORDS, "code": 429}})]
    ),
    "an error behind a role": Script([ROLE, event({"error": {"message": SECRET_WORDS, "code": 429}})]),
    "a role and an error at once": Script([ROLE + event({"error": {"message": SECRET_WORDS, "code": 429}})]),
    "a role and the end": Script([ROLE]),
    "the end mark": Script([DONE]),
    "a role and the end mark": Script([ROLE, DONE]),
    "no choices": Script([event({"choices": []}), DONE]),
    "half an event": Script([piece("Hello")[:20]]),
    "a reset": Script([UpstreamBroken("reset")]),
    "a reset behind a role": Script([ROLE, UpstreamBroken("reset")]),
    "a web page": Script([b"<html>\n\n</html>\n\n"]),
}

NO_COMPLETION: dict[str, Script] = {
    "nothing": Script(),
    "an error": Script([b'{"error": {"message": "acct_secret", "code": 429}}']),
    "choices null": Script([b'{"choices": null}']),
    "no choices": Script([b'{"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 9}}']),
    "half of it": Script([GOOD[0][:30]]),
    "a reset": Script([GOOD[0][:30], UpstreamBroken("reset")]),
    "a web page": Script([b"<html>"]),
}

CASES = [(True, *item) for item in NO_STREAM.items()] + [(False, *item) for item in NO_COMPLETION.items()]
CASE_IDS = [f"{'stream' if case[0] else 'plain'}: {case[1]}" for case in CASES]


@pytest.mark.parametrize(("is_stream", "name", "script"), CASES, ids=CASE_IDS)
async def test_what_is_no_answer_goes_to_the_next_and_none_of_it_is_passed_on(
    is_stream: bool, name: str, script: Script
) -> None:
    adapter = ManyAdapter(script)

    answer = await first_answer(a_call(route=a_route(*targets(2)), is_stream=is_stream), openai=adapter)

    assert (answer.candidate.target.provider, answer.attempts) == ("second", 2)
    assert answer.first == (piece("Hello") if is_stream else b"")
    assert answer.reader.recorded.text() == "Hello"
    assert [upstream.is_closed for upstream in adapter.upstreams] == [True, False]


@pytest.mark.parametrize(("is_stream", "name", "script"), CASES, ids=CASE_IDS)
async def test_if_nobody_is_left_the_student_learns_it_by_a_status(is_stream: bool, name: str, script: Script) -> None:
    call = a_call(route=a_route(a_target()), is_stream=is_stream)

    with pytest.raises(GatewayError) as caught:
        await first_answer(call, openai=ManyAdapter(script, script))

    assert caught.value.status in (502, 503)
    assert SECRET_WORDS.encode() not in caught.value.json(request_id="r")


@pytest.mark.parametrize("begin", [[], [b": PROCESSING\n\n"], [ROLE]], ids=["headers", "a comment", "a role"])
async def test_the_limit_for_the_beginning_runs_until_there_is_content(begin: list[bytes | Exception]) -> None:
    silent = Script(begin)
    silent.has_end = False
    adapter = ManyAdapter(silent)
    first, second = targets(2)

    answer = await first_answer(
        a_call(route=a_route(replace(first, first_byte_timeout=0.05), second), is_stream=True), openai=adapter
    )

    assert answer.candidate.target.provider == "second"
    assert adapter.upstreams[0].is_closed


async def test_a_model_that_has_sent_an_event_may_think_for_longer() -> None:
    thinking = Script([ROLE])
    thinking.has_end = False
    first, second = targets(2)
    first = replace(first, first_byte_timeout=0.05, thinking_timeout=0.3)
    started = time.monotonic()

    answer = await first_answer(a_call(route=a_route(first, second), is_stream=True), openai=ManyAdapter(thinking))

    assert answer.candidate.target.provider == "second"
    assert time.monotonic() - started > 0.3


async def test_nobody_thinks_for_longer_than_an_answer_may_take_there() -> None:
    thinking = Script([ROLE])
    thinking.has_end = False
    first, second = targets(2)
    first = replace(first, first_byte_timeout=0.05, thinking_timeout=5.0, total_timeout=0.2)
    started = time.monotonic()

    answer = await first_answer(a_call(route=a_route(first, second), is_stream=True), openai=ManyAdapter(thinking))

    assert answer.candidate.target.provider == "second"
    assert time.monotonic() - started < 1.0


async def test_a_comment_is_no_sign_of_thinking() -> None:
    silent = Script([b": PROCESSING\n\n"])
    silent.has_end = False
    first, second = targets(2)
    first = replace(first, first_byte_timeout=0.05, thinking_timeout=3600.0)

    answer = await first_answer(a_call(route=a_route(first, second), is_stream=True), openai=ManyAdapter(silent))

    assert answer.candidate.target.provider == "second"


async def test_what_a_failed_attempt_sent_is_no_sign_of_life_of_the_next() -> None:
    adapter = ManyAdapter(Script([ROLE, UpstreamBroken("reset")]))
    first, second = targets(2)
    second = replace(second, max_concurrent=1)
    call, providers = a_call(route=a_route(first, second), is_stream=True), Providers({"openai": adapter}, Health())
    leave = await providers.limits.enter(second, call.principal, places=1, seconds=1.0)
    attempts = Attempts(call, providers, output=10, guidance=())

    asking = asyncio.create_task(attempts.first_answer())
    while not attempts.rows(None):  # noqa: ASYNC110  # there is no event for that
        await asyncio.sleep(0)
    has_events = attempts.has_events
    leave()

    assert (await asking).candidate.target.provider == "second"
    assert not has_events


CONTENTS: dict[str, dict[str, Any]] = {
    "text": {"content": "Hello"},
    "reasoning": {"reasoning_content": "Hm"},
    "a refusal": {"refusal": "No."},
    "a tool call": {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}]},
}


@pytest.mark.parametrize("delta", CONTENTS.values(), ids=CONTENTS.keys())
async def test_an_answer_begins_with_its_first_content_and_all_before_it_is_passed_on(delta: dict[str, Any]) -> None:
    content = event({"choices": [{"index": 0, "delta": delta}]})
    script = Script([b": hi\n\n", ROLE, content, FINISH])

    answer = await first_answer(a_call(route=a_route(a_target()), is_stream=True), openai=ManyAdapter(script))

    assert answer.first == b": hi\n\n" + ROLE + content
    assert [chunk async for chunk in answer.rest] == [FINISH]


async def test_content_is_an_answer_though_it_breaks_off_within_the_same_piece() -> None:
    script = Script([ROLE, piece("Hello") + event({"error": {"message": SECRET_WORDS, "code": 429}})])

    answer = await first_answer(a_call(route=a_route(*targets(2)), is_stream=True), openai=ManyAdapter(script))

    assert (answer.candidate.target.provider, answer.first) == ("first", ROLE + piece("Hello"))
    assert answer.broken is not None


async def test_a_place_may_become_free_at_another_deployment_of_the_same_provider() -> None:
    first, second = (
        a_target(deployment_id=at, priority=at, max_concurrent=1, first_byte_timeout=0.1) for at in range(2)
    )
    call, providers = a_call(route=a_route(first, second)), Providers({"openai": ManyAdapter()}, Health())
    for target in (first, second):
        leave = await providers.limits.enter(target, call.principal, places=1, seconds=1.0)
    asyncio.get_running_loop().call_later(0.05, leave)
    attempts = Attempts(call, providers, output=10, guidance=())

    answer = await attempts.first_answer()

    assert answer.candidate.target == second
    assert [row.outcome for row in attempts.rows(None)] == ["full", "answered"]
