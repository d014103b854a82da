"""A provider that breaks off after the first byte. `test_outcomes.py` has the ways to do so."""

import json

import openai
import pytest

from tests.chat.world import World
from tests.provider_stub import ProviderStub


def test_the_official_client_raises_and_the_text_so_far_was_delivered(world: World, stub: ProviderStub) -> None:
    stub.will(error_after=3)
    text = ""

    with pytest.raises(openai.APIError) as caught:
        for chunk in world.stream():
            text += chunk.choices[0].delta.content or ""

    assert text == "Hello from the"
    assert caught.value.code == "upstream_interrupted"
    assert caught.value.type == "server_error"
    assert "acct_secret" not in str(caught.value)


def test_a_provider_that_ignores_the_output_cap_is_stopped_before_the_text_is_more_than_the_charge(
    world: World, stub: ProviderStub
) -> None:
    stub.will(text="word " * 50_000, no_usage=True)

    response = world.post(world.body(stream=True, max_tokens=100))

    chunks = [json.loads(part.removeprefix("data: ")) for part in response.text.split("\n\n") if part]
    relayed = sum(len(choice["delta"].get("content") or "") for chunk in chunks for choice in chunk.get("choices", ()))
    assert chunks[-1]["error"]["code"] == "upstream_interrupted"
    assert 0 < relayed <= 8 * world.settled().used
