"""A provider that breaks off after the first byte."""

import json
from typing import Any

import openai
import pytest

from tests.chat.world import World
from tests.provider_stub import ProviderStub

BREAKS: dict[str, dict[str, Any]] = {
    "cut": {"cut_after": 3},
    "ends too early": {"end_after": 3},
    "reports an error": {"error_after": 3},
    "cannot be read": {"malformed_after": 3},
}


@pytest.mark.parametrize("behaviour", [BREAKS["cut"], BREAKS["ends too early"]], ids=["cut", "ends too early"])
def test_the_official_client_raises_and_the_text_so_far_was_delivered(
    world: World, stub: ProviderStub, behaviour: dict[str, Any]
) -> None:
    stub.will(**behaviour)
    text = ""

    with pytest.raises(openai.APIError) as caught:
        for chunk in world.stream():
            text += chunk.choices[0].delta.content or ""

    assert text == "Hello from the"
    assert caught.value.code == "upstream_interrupted"
    assert caught.value.type == "server_error"


@pytest.mark.parametrize("behaviour", BREAKS.values(), ids=BREAKS.keys())
def test_the_stream_ends_with_one_error_event_and_never_looks_complete(
    world: World, stub: ProviderStub, behaviour: dict[str, Any]
) -> None:
    stub.will(**behaviour)

    response = world.post(world.body(stream=True))

    events = [part.removeprefix("data: ") for part in response.text.split("\n\n") if part]
    assert "[DONE]" not in events
    assert '"finish_reason": "stop"' not in response.text
    assert [("error" in json.loads(event)) for event in events].count(True) == 1
    error = json.loads(events[-1])["error"]
    assert error["request_id"] == response.headers["x-request-id"]
    assert "acct_secret" not in response.text


@pytest.mark.parametrize("behaviour", BREAKS.values(), ids=BREAKS.keys())
def test_what_was_relayed_is_charged_and_the_event_says_how_much(
    world: World, stub: ProviderStub, behaviour: dict[str, Any]
) -> None:
    stub.will(**behaviour)

    response = world.post(world.body(stream=True))

    error = json.loads(response.text.split("\n\n")[-2].removeprefix("data: "))["error"]
    call = world.call()
    assert (call.status, call.error_code) == ("failed", "upstream_interrupted")
    assert error["charged"] == call.charged == world.usage()["used"] > 0
    assert world.usage()["held"] == 0


PLAIN: dict[str, dict[str, Any]] = {
    "half a body": {"half_body": True},
    "not JSON": {"body": b"Internal error, account acct_secret"},
    "no completion": {"body": b'{"choices": null}'},
    "empty": {"body": b""},
}


@pytest.mark.parametrize("behaviour", PLAIN.values(), ids=PLAIN.keys())
def test_a_plain_answer_that_cannot_be_used_is_a_502_and_free(
    world: World, stub: ProviderStub, behaviour: dict[str, Any]
) -> None:
    stub.will(**behaviour)

    response = world.post()

    assert response.status_code == 502
    assert response.json()["error"]["charged"] == 0
    assert "acct_secret" not in response.text
    assert (world.usage()["used"], world.usage()["held"]) == (0, 0)


def test_a_provider_that_ignores_the_output_cap_is_stopped_before_the_text_is_more_than_the_charge(
    world: World, stub: ProviderStub
) -> None:
    stub.will(text="word " * 50_000, no_usage=True)

    response = world.post(world.body(stream=True, max_tokens=100))

    chunks = [json.loads(part.removeprefix("data: ")) for part in response.text.split("\n\n") if part]
    relayed = sum(len(choice["delta"].get("content") or "") for chunk in chunks for choice in chunk.get("choices", ()))
    assert chunks[-1]["error"]["code"] == "upstream_interrupted"
    assert 0 < relayed <= 8 * world.settled().used
