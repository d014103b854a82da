"""Attempts at an answer: what is sent, who is asked, and when an answer has begun."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from apps.chat.call import Accepted, ChatCall
from apps.chat.dialects.openai_chat.notes import MAX_ANSWER
from apps.chat.dialects.openai_chat.request import upstream_body
from apps.chat.relay.attempts import LAST_MOMENT, Attempts, Providers
from apps.common.errors import GatewayError
from apps.providers.adapters.protocol import ELSEWHERE, Outgoing, Reason, UpstreamBroken, UpstreamRefused
from apps.providers.catalogue import Secret, Target
from apps.providers.health.memory import Health
from apps.providers.routing import Candidate
from tests.chat.unit.upstreams import DONE, FINISH, completion, event, piece
from tests.chat.unit.values import a_call, a_route, a_target

MESSAGES = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello"}]
SECRET_WORDS = "acct_secret"
ROLE = event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})


class Script(list[bytes | Exception]):
    """What an upstream says. Without an end it then says nothing more, without end."""

    has_end = True


class OneUpstream:
    """An upstream that says what it was given."""

    provider_request_id = ""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.is_closed = False

    async def chunks(self) -> AsyncIterator[bytes]:
        for item in self._script:
            if isinstance(item, Exception):
                raise item
            yield item
        if not self._script.has_end:
            await asyncio.sleep(3600)

    def close(self) -> None:
        self.is_closed = True


GOOD = Script([completion("Hello")])
STREAM = Script([piece("Hello"), FINISH, DONE])


class ManyAdapter:
    """Refuses or answers as it was given, one for each call, and then answers well."""

    def __init__(self, *outcomes: UpstreamRefused | Script) -> None:
        self._outcomes = list(outcomes)
        self.tried: list[tuple[str, str]] = []
        self.sent: list[Outgoing] = []
        self.upstreams: list[OneUpstream] = []

    async def open(self, candidate: Candidate, outgoing: Outgoing) -> OneUpstream:
        self.tried.append((candidate.target.provider, candidate.secret.label if candidate.secret else ""))
        self.sent.append(outgoing)
        outcome = self._outcomes.pop(0) if self._outcomes else STREAM if outgoing.is_stream else GOOD
        if isinstance(outcome, UpstreamRefused):
            raise outcome
        self.upstreams.append(OneUpstream(outcome))
        return self.upstreams[-1]


def attempts_at(call: ChatCall, **adapters: ManyAdapter) -> Attempts:
    return Attempts(call, Providers(adapters, Health()), output=10, guidance=())


async def first_answer(call: ChatCall, **adapters: ManyAdapter) -> Accepted:
    return await attempts_at(call, **adapters).first_answer()


def refusal(reason: Reason, **fields: Any) -> UpstreamRefused:
    return UpstreamRefused(reason, detail=SECRET_WORDS, **fields)


def targets(count: int) -> tuple[Target, ...]:
    """Targets one behind the other: first, second and so on."""
    names = ["first", "second", "third"][:count]
    return tuple(a_target(deployment_id=at, provider=name, priority=at) for at, name in enumerate(names))


# What is sent


def body_of(body: dict[str, Any], **options: Any) -> dict[str, Any]:
    """What goes out for a body."""
    defaults = {"output": 50, "output_cap": "max_tokens", "is_stream": False, "guidance": ()}
    whole = {"model": "model", "messages": MESSAGES, **body}
    return upstream_body(whole, model="upstream-model", **{**defaults, **options})


def test_model_and_cap_are_replaced_and_nothing_else() -> None:
    other = {"temperature": 0.5, "novelty": {"deep": [None]}, "tools": [], "seed": 4, "n": 2, "stream": False}

    assert body_of(other) == {"model": "upstream-model", "messages": MESSAGES, "max_tokens": 50, **other}


@pytest.mark.parametrize(
    ("named", "output_cap", "sent"),
    [
        ({}, "max_tokens", {"max_tokens": 50}),
        ({}, "max_completion_tokens", {"max_completion_tokens": 50}),
        ({"max_tokens": 20}, "max_completion_tokens", {"max_completion_tokens": 20}),
        ({"max_tokens": 80}, "max_tokens", {"max_tokens": 50}),
        ({"max_completion_tokens": 20}, "max_tokens", {"max_tokens": 20}),
        ({"max_completion_tokens": 80}, "max_tokens", {"max_tokens": 50}),
        ({"max_tokens": 20, "max_completion_tokens": 80}, "max_tokens", {"max_tokens": 20}),
        ({"max_tokens": 20, "max_completion_tokens": 80}, "max_completion_tokens", {"max_completion_tokens": 20}),
        ({"max_tokens": None}, "max_tokens", {"max_tokens": 50}),
    ],
)
def test_the_answer_is_capped_by_what_was_reserved(
    named: dict[str, Any], output_cap: str, sent: dict[str, int]
) -> None:
    body = body_of(named, output_cap=output_cap)

    assert {key: value for key, value in body.items() if key.startswith("max_")} == sent


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ({}, {"include_usage": True}),
        ({"stream_options": None}, {"include_usage": True}),
        ({"stream_options": {"include_usage": False}}, {"include_usage": True}),
        ({"stream_options": {"include_obfuscation": False}}, {"include_obfuscation": False, "include_usage": True}),
    ],
)
def test_a_stream_always_asks_for_usage(options: dict[str, Any], sent: dict[str, bool]) -> None:
    assert body_of({"stream": True, **options}, is_stream=True)["stream_options"] == sent


def test_a_plain_call_has_no_stream_options() -> None:
    assert "stream_options" not in body_of({})


def test_guidance_is_added_to_the_messages() -> None:
    body = body_of({}, guidance=("Give hints only.",))

    assert body["messages"] == [MESSAGES[0], {"role": "system", "content": "Give hints only."}, MESSAGES[1]]


def test_the_call_s_own_body_is_left_alone() -> None:
    body = {"model": "model", "messages": list(MESSAGES), "max_tokens": 80, "stream_options": {}}

    body_of(body, is_stream=True, guidance=("Give hints only.",))

    assert body == {"model": "model", "messages": MESSAGES, "max_tokens": 80, "stream_options": {}}


# Who is tried


async def test_the_first_who_accepts_is_the_last_who_is_asked() -> None:
    adapter = ManyAdapter(refusal("error"), refusal("rate"))
    call = a_call(route=a_route(*targets(3)))

    opened = await first_answer(call, openai=adapter)

    assert [provider for provider, _ in adapter.tried] == ["first", "second", "third"]
    assert (opened.candidate.target.provider, opened.attempts) == ("third", 3)


@pytest.mark.parametrize("reason", sorted(ELSEWHERE))
async def test_what_another_may_do_better_is_tried_elsewhere(reason: Reason) -> None:
    adapter = ManyAdapter(refusal(reason))

    opened = await first_answer(a_call(route=a_route(*targets(2))), openai=adapter)

    assert opened.candidate.target.provider == "second"


async def test_a_request_that_is_wrong_is_wrong_everywhere() -> None:
    adapter = ManyAdapter(refusal("request", status=400))

    with pytest.raises(GatewayError):
        await first_answer(a_call(route=a_route(*targets(2))), openai=adapter)

    assert len(adapter.tried) == 1


async def test_another_credential_is_tried_before_another_provider() -> None:
    both = tuple(Secret(id=id, label=label, text="s", weight=1) for id, label in enumerate(("a", "b")))
    first = a_target(provider="first", secrets=both)
    second = a_target(deployment_id=2, provider="second", priority=1)
    adapter = ManyAdapter(refusal("credential"), refusal("credential"))

    await first_answer(a_call(route=a_route(first, second)), openai=adapter)

    assert [provider for provider, _ in adapter.tried] == ["first", "first", "second"]
    assert {label for _, label in adapter.tried[:2]} == {"a", "b"}


async def test_whatever_may_be_larger_is_tried_for_what_is_too_long_and_nothing_else() -> None:
    sizes = [8_000, None, 32_000, 4_000, 128_000]
    route = a_route(*(a_target(deployment_id=at, context_window=size, priority=at) for at, size in enumerate(sizes)))
    adapter = ManyAdapter(*[refusal("too_long", status=400)] * 4)

    with pytest.raises(GatewayError) as caught:
        await first_answer(a_call(route=route), openai=adapter)

    assert len(adapter.tried) == 3
    assert (caught.value.status, caught.value.code) == (400, "context_length_exceeded")
    assert "maximum context length is 128000 tokens" in caught.value.message


async def test_what_an_error_inside_a_200_means_is_read() -> None:
    both = tuple(Secret(id=id, label=label, text="s", weight=1) for id, label in enumerate(("a", "b")))
    said = b'{"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}'
    adapter = ManyAdapter(Script([said]))

    await first_answer(a_call(route=a_route(a_target(secrets=both))), openai=adapter)

    assert len(adapter.tried) == 2


async def test_every_candidate_gets_its_own_model_name_and_its_own_adapter() -> None:
    first = a_target(provider="first", adapter="openai", upstream_model="one")
    second = a_target(deployment_id=2, provider="second", adapter="echo", upstream_model="two", priority=1)
    openai, echo = ManyAdapter(refusal("error")), ManyAdapter()

    await first_answer(a_call(route=a_route(first, second)), openai=openai, echo=echo)

    assert (openai.sent[0].body["model"], echo.sent[0].body["model"]) == ("one", "two")


@pytest.mark.parametrize("is_stream", [True, False])
async def test_the_adapter_learns_the_request_id_and_the_form(is_stream: bool) -> None:
    adapter = ManyAdapter()

    await first_answer(a_call(route=a_route(a_target()), is_stream=is_stream), openai=adapter)

    assert (adapter.sent[0].request_id, adapter.sent[0].is_stream) == ("call", is_stream)


# When an answer has begun

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
    leave = await providers.limits.enter(second, call.principal, seconds=1.0)
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
        leave = await providers.limits.enter(target, call.principal, seconds=1.0)
    asyncio.get_running_loop().call_later(0.05, leave)
    attempts = Attempts(call, providers, output=10, guidance=())

    answer = await attempts.first_answer()

    assert answer.candidate.target == second
    assert [row.outcome for row in attempts.rows(None)] == ["full", "answered"]


# What is asked once more


async def outcomes_of(attempts: Attempts) -> list[str]:
    with contextlib.suppress(GatewayError):
        await attempts.first_answer()
    return [row.outcome for row in attempts.rows(None)]


async def test_an_error_is_asked_once_more_if_nobody_else_is_left() -> None:
    adapter = ManyAdapter(refusal("error", status=500), refusal("too_slow"))

    answer = await first_answer(a_call(route=a_route(*targets(2))), openai=adapter)

    assert [provider for provider, _ in adapter.tried] == ["first", "second", "first"]
    assert answer.attempts == 3


@pytest.mark.parametrize(
    ("refused", "times"),
    [
        (refusal("error", status=500), 2),
        (refusal("error", status=503, retry_after=0.01), 2),
        (refusal("error", status=503, retry_after=60), 1),
        (refusal("rate", status=429, retry_after=0.01), 2),
        (refusal("rate", status=429), 1),
        (refusal("rate", status=429, retry_after=60), 1),
        (refusal("unreachable"), 1),
        (refusal("too_slow"), 1),
        (refusal("broken"), 1),
        (refusal("credential", status=401), 1),
        (refusal("request", status=400), 1),
    ],
    ids=lambda value: f"{value.reason}, {value.retry_after}" if isinstance(value, UpstreamRefused) else str(value),
)
async def test_once_and_only_where_it_may_help_soon(refused: UpstreamRefused, times: int) -> None:
    attempts = attempts_at(a_call(route=a_route(a_target())), openai=ManyAdapter(*[refused] * 3))

    assert await outcomes_of(attempts) == [refused.reason] * times


async def test_a_request_at_fault_is_not_sent_again_though_another_deployment_failed() -> None:
    adapter = ManyAdapter(refusal("error", status=500), refusal("request", status=400))

    assert await outcomes_of(attempts_at(a_call(route=a_route(*targets(2))), openai=adapter)) == ["error", "request"]


async def test_nothing_is_repeated_for_which_the_call_has_no_time_left() -> None:
    adapter = ManyAdapter(refusal("error", status=503, retry_after=1.0))
    attempts = attempts_at(a_call(route=a_route(a_target(), longest=0.5)), openai=adapter)
    started = time.monotonic()

    with pytest.raises(GatewayError) as caught:
        await attempts.first_answer()

    assert (caught.value.code, len(adapter.tried)) == ("upstream_error", 1)
    assert time.monotonic() - started < 0.5


async def test_repeats_are_a_small_share_of_the_calls() -> None:
    adapter = ManyAdapter(*[refusal("error", status=500)] * 1000)
    providers, asked = Providers({"openai": adapter}, Health()), 0
    target = a_target(force="closed")  # the breaker would end this sooner
    for _ in range(12):
        attempts = Attempts(a_call(route=a_route(target)), providers, output=10, guidance=())
        asked += len(await outcomes_of(attempts))

    assert asked == 12 + 3


# What Stoa adds


@pytest.mark.parametrize("param", ["stream_options", "max_tokens"])
async def test_what_we_add_and_is_not_understood_is_left_out_at_the_same_deployment_from_then_on(param: str) -> None:
    adapter, health = ManyAdapter(refusal("added", status=422, param=param)), Health()
    providers, call = Providers({"openai": adapter}, health), a_call(route=a_route(*targets(2)), is_stream=True)

    for _ in range(2):
        await Attempts(call, providers, output=10, guidance=()).first_answer()

    assert [provider for provider, _ in adapter.tried] == ["first"] * 3
    assert [param in sent.body for sent in adapter.sent] == [True, False, False]
    assert [param in sent.added for sent in adapter.sent] == [True, False, False]


@pytest.mark.parametrize(
    ("options", "is_stream", "is_ours"),
    [
        ({"include_usage": True}, True, True),
        ({"include_usage": True, "include_novelty": True}, True, False),
        ({"include_usage": True}, False, False),
    ],
    ids=["usage", "more than that", "not for a stream"],
)
async def test_to_ask_for_the_usage_of_a_stream_is_ours_even_if_the_client_does_as_well(
    options: dict[str, Any], is_stream: bool, is_ours: bool
) -> None:
    """Many libraries ask by themselves. Anything else in these options is the client's own."""
    adapter = ManyAdapter()
    body = {"model": "model", "messages": MESSAGES, "stream_options": options}

    await first_answer(a_call(route=a_route(a_target()), body=body, is_stream=is_stream), openai=adapter)

    assert ("stream_options" in adapter.sent[0].added) is is_ours


async def test_a_cap_that_the_client_asked_for_is_never_left_out() -> None:
    adapter = ManyAdapter(refusal("added", status=400, param="max_completion_tokens"))
    first, second = targets(2)
    route = a_route(replace(first, output_cap="max_completion_tokens"), second)
    body = {"model": "model", "messages": MESSAGES, "max_tokens": 5}

    await first_answer(a_call(route=route, body=body), openai=adapter)

    assert [provider for provider, _ in adapter.tried] == ["first", "second"]
    assert adapter.sent[1].body["max_tokens"] == 5


# What is written down


async def test_who_takes_all_the_time_that_a_call_has_is_too_slow() -> None:
    silent = Script()
    silent.has_end = False
    target = a_target(plain_timeout=600.0)
    providers = Providers({"openai": ManyAdapter(*[silent] * 5)}, Health())
    route = a_route(target, longest=LAST_MOMENT + 0.01)

    for _ in range(5):
        with pytest.raises(GatewayError, match="in time"):
            await Attempts(a_call(route=route), providers, output=10, guidance=()).first_answer()

    assert providers.health.deployment(target).reason == "too_slow"
    assert providers.health.deployment(target).is_open


async def test_but_not_who_got_only_what_another_left_of_it() -> None:
    silent = Script()
    silent.has_end = False
    first, second = targets(2)
    providers = Providers({"openai": ManyAdapter(*[silent] * 10)}, Health())
    route = a_route(replace(first, plain_timeout=0.1, force="closed"), second, longest=LAST_MOMENT + 0.15)

    for _ in range(5):
        with pytest.raises(GatewayError, match="in time"):
            await Attempts(a_call(route=route), providers, output=10, guidance=()).first_answer()

    assert not providers.health.deployment(second).is_open


async def test_every_attempt_is_written_down_with_what_came_of_it() -> None:
    adapter = ManyAdapter(refusal("rate", status=429), Script([UpstreamBroken("reset")]))
    attempts = attempts_at(a_call(route=a_route(*targets(3))), openai=adapter)

    await attempts.first_answer()

    rows = [(row.number, row.provider, row.outcome, row.status) for row in attempts.rows(None)]
    assert rows == [(1, "first", "rate", 429), (2, "second", "broken", 0), (3, "third", "answered", 200)]


async def test_one_that_is_ended_from_outside_is_written_down_too() -> None:
    silent = Script([ROLE])
    silent.has_end = False
    attempts = attempts_at(a_call(route=a_route(a_target()), is_stream=True), openai=ManyAdapter(silent))

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await attempts.first_answer()

    assert [row.outcome for row in attempts.rows(None)] == ["ended"]


@pytest.mark.parametrize("is_stream", [False, True])
async def test_an_answer_that_is_too_long_from_the_start_says_so_and_is_asked_for_once(is_stream: bool) -> None:
    """Another deployment would only answer the same, and be paid for it."""
    adapter = ManyAdapter(Script([b"data: " + b"x" * MAX_ANSWER, b"x"]))

    call = replace(a_call(route=a_route(*targets(2))), is_stream=is_stream)

    with pytest.raises(GatewayError, match="longer than the gateway passes on") as caught:
        await first_answer(call, openai=adapter)

    assert caught.value.headers["x-should-retry"] == "false"
    assert len(adapter.tried) == 1
