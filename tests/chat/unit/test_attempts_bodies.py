"""What is sent to a provider."""

from dataclasses import replace
from typing import Any

import pytest

from apps.chat.dialects.openai_chat.request import upstream_body
from apps.chat.relay.attempts import Attempts, Providers
from apps.providers.health.memory import Health
from tests.chat.unit.many_upstreams import ManyAdapter, first_answer, refusal, targets
from tests.chat.unit.values import a_call, a_route, a_target

MESSAGES = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello"}]


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
