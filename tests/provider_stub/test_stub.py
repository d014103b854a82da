"""The stub is what most other tests stand on, so it is tested too, with the official client."""

from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from tests.provider_stub import ProviderStub

MESSAGES: list[Any] = [{"role": "user", "content": "Say hello, please"}]


@pytest.fixture
def client(stub: ProviderStub) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="any", base_url=stub.base_url, max_retries=0, timeout=5) as client:
        yield client


def stream(client: openai.OpenAI, **options: Any) -> list[Any]:
    return list(client.chat.completions.create(model="m", messages=MESSAGES, stream=True, **options))


def text_of(chunks: list[Any]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_it_answers_and_remembers(stub: ProviderStub, client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="m", messages=MESSAGES)

    assert answer.choices[0].message.content == "Hello from the provider stub."
    assert answer.usage and (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, 5)
    assert stub.last.messages == MESSAGES
    assert stub.last.headers["authorization"] == "Bearer any"


def test_its_journal_counts_requests_bytes_tokens_and_connections(stub: ProviderStub, client: openai.OpenAI) -> None:
    for _ in range(2):
        stream(client, extra_headers={"x-request-id": "abc"})

    first, second = stub.journal
    assert (first.call, first.text, first.tokens) == ("abc", "Hello from the provider stub.", 3 + 5)
    assert first.connection == 1
    assert first.bytes_sent == second.bytes_sent > len(first.text)


def test_an_answer_may_begin_with_its_prompt(stub: ProviderStub, client: openai.OpenAI) -> None:
    stub.will(repeats_prompt=True, text="Indeed.")

    assert text_of(stream(client)) == "Say hello, please Indeed."


def test_it_streams_with_usage_only_when_asked(client: openai.OpenAI) -> None:
    without = stream(client)
    with_usage = stream(client, stream_options={"include_usage": True})

    assert text_of(without) == text_of(with_usage) == "Hello from the provider stub."
    assert all(chunk.choices for chunk in without)
    assert with_usage[-1].usage.completion_tokens == 5


@pytest.mark.parametrize(
    "form", [{"split": 1}, {"line_end": "\r\n"}, {"line_end": "\r\n", "split": 3}, {"comments": True}], ids=str
)
def test_every_form_of_a_stream_reads_the_same(stub: ProviderStub, client: openai.OpenAI, form: dict[str, Any]) -> None:
    stub.will(text="Hyvää päivää 👋 😀", **form)

    assert text_of(stream(client)) == "Hyvää päivää 👋 😀"


def test_it_follows_its_script_and_then_its_default(stub: ProviderStub, client: openai.OpenAI) -> None:
    stub.will(status=429, headers={"retry-after": "7"})

    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="m", messages=MESSAGES)
    answer = client.chat.completions.create(model="m", messages=MESSAGES)

    assert caught.value.response.headers["retry-after"] == "7"
    assert answer.choices[0].message.content


def test_a_cut_breaks_the_stream(stub: ProviderStub, client: openai.OpenAI) -> None:
    stub.will(cut_after=3)

    with pytest.raises(openai.APIConnectionError):
        stream(client)

    assert stub.last.sent == ["Hello", " from", " the"]
    assert not stub.last.finished


def test_an_early_end_looks_complete(stub: ProviderStub, client: openai.OpenAI) -> None:
    stub.will(end_after=2)

    assert text_of(stream(client)) == "Hello from"


def test_a_reset_gives_no_answer(stub: ProviderStub, client: openai.OpenAI) -> None:
    stub.will(reset=True)

    with pytest.raises(openai.APIConnectionError):
        client.chat.completions.create(model="m", messages=MESSAGES)


def test_half_a_body_gives_no_answer(stub: ProviderStub, client: openai.OpenAI) -> None:
    stub.will(half_body=True)

    with pytest.raises(openai.APIConnectionError):
        client.chat.completions.create(model="m", messages=MESSAGES)


def test_a_hang_lasts_until_the_client_gives_up(stub: ProviderStub, client: openai.OpenAI) -> None:
    stub.will(hang_before_first_byte=True)

    with pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(model="m", messages=MESSAGES, timeout=0.2)

    assert stub.last.over.wait(5)
    assert stub.last.left


def test_it_notices_a_client_that_leaves_in_the_middle(stub: ProviderStub, client: openai.OpenAI) -> None:
    stub.will(pause_after=2)

    with client.chat.completions.create(model="m", messages=MESSAGES, stream=True) as answer:
        next(iter(answer))

    assert stub.last.over.wait(5)
    assert stub.last.left


def test_a_paused_stream_goes_on(stub: ProviderStub, client: openai.OpenAI) -> None:
    stub.will(pause_after=2)
    answer = iter(client.chat.completions.create(model="m", messages=MESSAGES, stream=True))
    first = next(answer)

    stub.go_on()

    assert text_of([first, *answer]) == "Hello from the provider stub."


def test_a_compressed_answer_opens(stub: ProviderStub, client: openai.OpenAI) -> None:
    stub.will(gzip=True)

    assert client.chat.completions.create(model="m", messages=MESSAGES).choices[0].message.content


def test_an_error_event_reaches_the_client(stub: ProviderStub, client: openai.OpenAI) -> None:
    stub.will(error_after=1)

    with pytest.raises(openai.APIError, match="acct_secret"):
        stream(client)


def test_a_malformed_event_is_sent_as_it_is(stub: ProviderStub) -> None:
    stub.will(malformed_after=1)

    answer = httpx.post(f"{stub.base_url}/chat/completions", json={"stream": True, "messages": MESSAGES})

    assert "half an ev\n" in answer.text
