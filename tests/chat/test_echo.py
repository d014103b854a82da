"""The built-in provider, with which everything works without any account."""

from collections.abc import Iterator

import pytest

from tests import factories
from tests.chat.world import World, make_world, text_of, wait_until
from tests.live import Gateway

PROMPT = "one two  three 👋"


@pytest.fixture
def echo(committed_db: None, gateway: Gateway) -> Iterator[World]:
    with make_world(gateway) as world:
        provider = factories.make_provider(adapter="echo", base_url="", secret="")
        factories.make_deployment(world.model, provider)
        wait_until(lambda: world.post(world.body("a")).status_code == 200)
        yield world


def test_it_answers_with_the_prompt(echo: World) -> None:
    assert echo.ask(PROMPT).choices[0].message.content == PROMPT


def test_it_streams_the_prompt_and_reports_a_token_a_word(echo: World) -> None:
    chunks = list(echo.stream(PROMPT, stream_options={"include_usage": True}))

    assert text_of(chunks) == PROMPT
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.prompt_tokens == 4
    assert chunks[-1].usage.completion_tokens >= 4


def test_it_is_charged(echo: World) -> None:
    before = echo.usage()["used"]

    answer = echo.ask("one two three")

    assert answer.usage is not None
    assert echo.usage()["used"] - before == answer.usage.total_tokens == 6


def test_it_stops_at_the_cap_and_says_so(echo: World) -> None:
    answer = echo.ask("one two three four", max_tokens=2)

    assert answer.choices[0].message.content == "one two"
    assert answer.choices[0].finish_reason == "length"


def test_it_reads_messages_in_parts(echo: World) -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]

    response = echo.post({**echo.body(), "messages": [{"role": "user", "content": parts}]})

    assert response.json()["choices"][0]["message"]["content"] == "one two"
