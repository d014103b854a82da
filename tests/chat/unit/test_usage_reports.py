"""Usage as providers report it: in every spelling, in every place, and when it cannot be true."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.chat.dialects.openai_chat.answer import PlainReader, StreamReader
from apps.chat.dialects.openai_chat.usage import read_usage
from apps.quotas.weights import Tokens

OPENAI = {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200}
CACHED = Tokens(input=1000, cached_input=900, output=200)
SPELLINGS: dict[str, tuple[dict[str, Any], Tokens]] = {
    "OpenAI": (OPENAI, Tokens(input=1000, output=200)),
    "OpenAI, cached": ({**OPENAI, "prompt_tokens_details": {"cached_tokens": 900}}, CACHED),
    "OpenAI, Responses": (
        {"input_tokens": 1000, "output_tokens": 200, "input_tokens_details": {"cached_tokens": 900}},
        CACHED,
    ),
    "OpenAI, with thoughts within": (
        {**OPENAI, "completion_tokens_details": {"reasoning_tokens": 150}},
        Tokens(input=1000, output=200),
    ),
    "DeepSeek": ({**OPENAI, "prompt_cache_hit_tokens": 900, "prompt_cache_miss_tokens": 100}, CACHED),
    "DeepSeek, with a zero of OpenAI's": (
        {**OPENAI, "prompt_tokens_details": {"cached_tokens": 0}, "prompt_cache_hit_tokens": 900},
        CACHED,
    ),
    "Moonshot": ({**OPENAI, "cached_tokens": 900}, CACHED),
    "Anthropic": (
        {
            "input_tokens": 90,
            "output_tokens": 200,
            "cache_read_input_tokens": 900,
            "cache_creation_input_tokens": 10,
        },
        CACHED,
    ),
    "Anthropic, no cache": (
        {
            "input_tokens": 1000,
            "output_tokens": 200,
            "cache_read_input_tokens": None,
            "cache_creation_input_tokens": 0,
        },
        Tokens(input=1000, output=200),
    ),
    "Anthropic, by a gateway": (
        {**OPENAI, "cache_read_input_tokens": 900, "cache_creation_input_tokens": 10},
        CACHED,
    ),
    "Anthropic, by a gateway that adds nothing up": (
        {
            "prompt_tokens": 90,
            "completion_tokens": 200,
            "cache_read_input_tokens": 900,
            "cache_creation_input_tokens": 10,
        },
        CACHED,
    ),
    "xAI, with thoughts beside": (
        {
            "prompt_tokens": 32,
            "completion_tokens": 9,
            "total_tokens": 135,
            "completion_tokens_details": {"reasoning_tokens": 94},
        },
        Tokens(input=32, output=103),
    ),
    "thoughts beside, and no total": (
        {"prompt_tokens": 32, "completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 94}},
        Tokens(input=32, output=103),
    ),
    "a total below the sum": ({**OPENAI, "total_tokens": 1100}, Tokens(input=1000, output=200)),
    "a total that is no count": ({**OPENAI, "total_tokens": "1200"}, Tokens(input=1000, output=200)),
    "an absurd total": ({**OPENAI, "total_tokens": 2**60}, Tokens(input=1000, output=200)),
    "no output, but a total": ({"prompt_tokens": 1000, "total_tokens": 1200}, Tokens(input=1000, output=200)),
    "floats": (
        {"prompt_tokens": 1000.0, "completion_tokens": 200.0, "prompt_tokens_details": {"cached_tokens": 900.0}},
        CACHED,
    ),
}


@pytest.mark.parametrize(("reported", "tokens"), SPELLINGS.values(), ids=SPELLINGS.keys())
def test_every_spelling_in_use_is_read(reported: dict[str, Any], tokens: Tokens) -> None:
    read = read_usage(reported)

    assert read == tokens
    assert read is not None
    assert [type(count) for count in (read.input, read.cached_input, read.output)] == [int, int, int]


def streamed(*events: Any) -> StreamReader:
    reader = StreamReader(wants_usage=False)
    for one in events:
        reader.feed(f"data: {json.dumps(one)}\n\n".encode())
    return reader


def plain(answer: dict[str, Any]) -> PlainReader:
    reader = PlainReader()
    reader.feed(json.dumps(answer).encode())
    reader.end()
    return reader


TEXT = {"choices": [{"index": 0, "delta": {"content": "Hello"}}]}
PLACES: dict[str, dict[str, Any]] = {
    "beside the choices": {"choices": [], "usage": OPENAI},
    "without choices": {"usage": OPENAI},
    "with the last choice": {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": OPENAI},
    "in the last choice": {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": OPENAI}]},
    "in an envelope": {
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
        "x_groq": {"id": "r", "usage": OPENAI},
    },
}


@pytest.mark.parametrize("last", PLACES.values(), ids=PLACES.keys())
def test_it_is_found_in_every_place(last: dict[str, Any]) -> None:
    reader = streamed(TEXT, last)

    assert (reader.usage, reader.is_usage_final, reader.doubt) == (Tokens(input=1000, output=200), True, "")


@pytest.mark.parametrize("more", [{"usage": OPENAI}, {"x_groq": {"usage": OPENAI}}])
def test_so_it_is_in_a_plain_answer(more: dict[str, Any]) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}

    assert plain({"choices": [choice], **more}).usage == Tokens(input=1000, output=200)
    assert plain({"choices": [{**choice, "usage": OPENAI}]}).usage == Tokens(input=1000, output=200)


DOUBTED: list[tuple[Any, str]] = [
    (OPENAI, ""),
    (None, ""),
    ({}, ""),
    ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, "0 tokens for an answer of 740 bytes"),
    ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, "no tokens for the prompt"),
    ({"prompt_tokens": 9, "completion_tokens": 5}, "5 tokens for an answer of 740 bytes"),
    ({"prompt_tokens": 9, "completion_tokens": 6}, ""),
    ({"prompt_tokens": 0, "completion_tokens": 50}, "It reports no tokens for the prompt."),
    ({"prompt_tokens": -9, "completion_tokens": 50}, "in a form that is not known"),
    ({"tokens": 50}, "in a form that is not known"),
]


@pytest.mark.parametrize(("reported", "doubt"), DOUBTED)
def test_a_report_that_cannot_be_true_is_doubted_in_a_sentence(reported: Any, doubt: str) -> None:
    text = {"choices": [{"index": 0, "delta": {"content": "x" * 740}}]}

    said = streamed(text, {"choices": [], "usage": reported}).doubt

    assert doubt in said
    assert bool(said) == bool(doubt)


def test_a_report_in_the_middle_is_not_doubted_for_what_came_later() -> None:
    assert streamed({**TEXT, "usage": {"prompt_tokens": 9, "completion_tokens": 1}}, *[TEXT] * 200).doubt == ""


COUNTS = st.integers(0, 2**40)
JSON = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)
)
NAMES = (*OPENAI, "input_tokens", "output_tokens", "cached_tokens", "prompt_cache_hit_tokens")
CACHES = ("cache_read_input_tokens", "cache_creation_input_tokens")
REPORTS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys((*NAMES, *CACHES), JSON | COUNTS),
        "prompt_tokens_details": JSON | st.fixed_dictionaries({}, optional={"cached_tokens": JSON | COUNTS}),
    },
)


@given(reported=REPORTS)
def test_whatever_is_reported_gives_counts_that_can_be_or_none(reported: Any) -> None:
    read = read_usage(reported)

    assert read is None or (0 <= read.cached_input <= read.input and read.output >= 0)


@given(read=COUNTS, written=COUNTS, hidden=st.integers(0, 2**20))
def test_no_spelling_makes_thoughts_free(read: int, written: int, hidden: int) -> None:
    within = {"prompt_tokens": read, "completion_tokens": written + hidden, "total_tokens": read + written + hidden}
    beside = {**within, "completion_tokens": written}

    assert read_usage(within) == read_usage(beside) or read + written + hidden > 2**40
