"""Errors within answers that a provider promised to be good: every spelling in use, at any place."""

import json
from typing import Any

import pytest

from apps.chat.dialects.openai_chat.answer import PlainReader, StreamReader
from apps.providers.adapters.protocol import UpstreamBroken

TEXT = {"choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": None}]}
ERRORS: dict[str, dict[str, Any]] = {
    "OpenAI": {"error": {"message": "The server had an error", "type": "server_error", "code": None}},
    "a text": {"error": "model is overloaded"},
    "vLLM, FastChat": {"object": "error", "message": "engine died", "type": "InternalServerError", "code": 500},
    "FastAPI": {"detail": "Internal Server Error"},
    "FastAPI, validation": {"detail": [{"loc": ["body"], "msg": "field required"}]},
    "Anthropic": {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
    "type alone": {"type": "error", "reason": "overloaded"},
    "DashScope": {"code": "Throttling.RateQuota", "message": "Requests rate limit exceeded", "request_id": "r"},
    "null choices": {"code": 10013, "message": "input content audit failed", "choices": None},
    "Baidu": {"error_code": 18, "error_msg": "Open api qps request limit reached"},
    "Cloudflare": {"success": False, "errors": [{"code": 3040, "message": "No more data centers"}]},
    "MiniMax": {"choices": None, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}},
    "API gateway": {"message": "Endpoint request timed out"},
    "OpenRouter": {
        "error": {"code": 502, "message": "Provider disconnected"},
        "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
    },
    "finish reason": {"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]},
    "in the choice": {
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "error": {"code": 429, "message": "limit"}}]
    },
}
NO_ERRORS: dict[str, dict[str, Any]] = {
    "no error": {**TEXT, "error": None},
    "Spark": {"code": 0, "message": "Success", "sid": "s", **TEXT},
    "Spark, usage": {"code": 0, "message": "Success", "choices": [], "usage": None},
    "MiniMax": {**TEXT, "base_resp": {"status_code": 0, "status_msg": ""}},
    "MiniMax, usage": {"choices": [], "base_resp": {"status_code": 0, "status_msg": ""}},
    "a message beside": {**TEXT, "message": "Hello", "detail": "low", "object": "chat.completion.chunk"},
    "Anthropic's ping": {"type": "ping"},
}


def event(payload: Any) -> bytes:
    return f"data: {json.dumps(payload)}\n\n".encode()


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS.keys())
@pytest.mark.parametrize("before", [[], [TEXT]], ids=["first", "after text"])
def test_an_error_event_breaks_the_stream_and_is_handed_over(error: dict[str, Any], before: list[Any]) -> None:
    reader = StreamReader(wants_usage=True)
    whole = b"".join(map(event, [*before, error, TEXT]))

    with pytest.raises(UpstreamBroken) as caught:
        reader.feed(whole)

    assert caught.value.error == error
    assert caught.value.kept == b"".join(map(event, before))
    assert reader.has_content == bool(before)


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS.keys())
def test_so_does_one_without_its_blank_line_or_its_data_field(error: dict[str, Any]) -> None:
    unended, bare, barest = (StreamReader(wants_usage=False) for _ in range(3))
    unended.feed(event(TEXT) + event(error).rstrip())
    barest.feed(json.dumps(error).encode())

    for reader in (unended, barest):
        with pytest.raises(UpstreamBroken) as caught:
            reader.end()
        assert caught.value.error == error
    with pytest.raises(UpstreamBroken) as caught:
        bare.feed(json.dumps(error).encode() + b"\n\n")
    assert caught.value.error == error


NAMED = [
    (b'event: error\ndata: {"reason": "overloaded"}\n\n', {"reason": "overloaded"}),
    (b'data: {"reason": "overloaded"}\nevent:error\n\n', {"reason": "overloaded"}),
    (b"event: error\ndata: overloaded\n\n", {"message": "overloaded"}),
    (b"event: error\n\n", {}),
]


@pytest.mark.parametrize(("event", "error"), NAMED)
def test_so_does_whatever_is_called_an_error(event: bytes, error: dict[str, Any]) -> None:
    with pytest.raises(UpstreamBroken) as caught:
        StreamReader(wants_usage=False).feed(event)

    assert caught.value.error == error


@pytest.mark.parametrize("payload", NO_ERRORS.values(), ids=NO_ERRORS.keys())
def test_what_only_looks_like_an_error_is_none(payload: dict[str, Any]) -> None:
    StreamReader(wants_usage=False).feed(event(payload))


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS.keys())
def test_a_plain_answer_that_is_an_error_is_none(error: dict[str, Any]) -> None:
    reader = PlainReader()
    reader.feed(json.dumps(error).encode())

    with pytest.raises(UpstreamBroken) as caught:
        reader.end()

    assert caught.value.error == error
    assert not reader.has_content
