"""What providers mean by their errors, in every spelling that is in use."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.providers.failures import UpstreamRefused, is_error, refusal_in, refusal_of
from tests.provider_stub.spelling import PRIVATE, SECRET, Spelling, anthropic, gemini, openai, pydantic, vllm
from tests.provider_stub.spellings import ERRORS

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("said", ERRORS.values(), ids=ERRORS.keys())
def test_every_spelling_has_its_reason(said: Spelling) -> None:
    refused = refusal_of(said.status, said.headers, said.raw, now=NOW)

    found = (refused.reason, refused.status, refused.code, refused.param, refused.retry_after)
    assert found == (said.reason, said.status, said.code, said.param, said.wait)


@pytest.mark.parametrize("said", ERRORS.values(), ids=ERRORS.keys())
def test_no_sentence_is_kept(said: Spelling) -> None:
    refused = refusal_of(said.status, said.headers, said.raw, now=NOW)

    shown = f"{refused} {refused!r} {refused.detail} {refused.code} {refused.param}"
    assert not any(word in shown for word in (SECRET, PRIVATE, "essay"))
    assert refused.detail.startswith(f"Answered {said.status}")


INSIDE: list[tuple[Any, str, int]] = [
    (openai("overloaded", code=503, kind="server_error"), "error", 503),
    (openai("Rate limit exceeded", code=429), "rate", 429),
    (openai("Rate limit exceeded", code="429"), "rate", 429),
    (openai("Slow down", code="rate_limit_exceeded"), "rate", 429),
    (openai("Something", kind="server_error"), "error", 500),
    (openai("Something"), "request", 400),
    (openai("Too long", code="context_length_exceeded"), "too_long", 400),
    ({"error": "engine died"}, "error", 0),
    ({"error": {}, "object": "error"}, "error", 0),
    ({"error": ["engine died"]}, "error", 0),
    (vllm("engine died", kind="InternalServerError", code=500), "error", 500),
    (vllm("The model `m` does not exist.", kind="NotFoundError", code=404), "missing", 404),
    (anthropic("Overloaded", kind="overloaded_error"), "error", 529),
    (anthropic("Slow", kind="rate_limit_error"), "rate", 429),
    (anthropic("Pay", kind="billing_error"), "billing", 402),
    (gemini("Slow", code=429, status="RESOURCE_EXHAUSTED"), "rate", 429),
    ([{"error": {"message": "Slow", "status": "RESOURCE_EXHAUSTED"}}], "rate", 429),
    ({"error": {"code": 402, "message": "Insufficient credits"}}, "billing", 402),
    ({"error": {"message": "Insufficient Balance"}}, "billing", 0),
    ({"error": {"code": 403, "message": "x", "metadata": {"flagged_input": "y", "reasons": []}}}, "request", 403),
    ({"detail": "Internal error"}, "error", 0),
    ({"detail": [{"loc": ["body"], "type": "missing", "msg": "x"}]}, "error", 0),
    ({"code": "Throttling", "message": "Slow"}, "rate", 429),
    ({"base_resp": {"status_code": 1004, "status_msg": "Not authorized"}}, "error", 0),
    ({"error_code": 17, "error_msg": "Too many"}, "error", 0),
    ({"choices": [], "error_message": "Oops"}, "error", 0),
    ({"choices": None, "detail": "Oops"}, "error", 0),
    ({"choices": [{"index": 0, "delta": {}, "error": {"code": 502, "message": "Bad gateway"}}]}, "error", 502),
    ({"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]}, "error", 0),
    ({"error": {"code": 502, "message": "gone"}, "choices": [{"delta": {"content": ""}}]}, "error", 502),
]


@pytest.mark.parametrize(("payload", "reason", "status"), INSIDE, ids=lambda value: str(value)[:60])
def test_an_error_inside_an_answer_is_recognised(payload: Any, reason: str, status: int) -> None:
    refused = refusal_in(payload)

    assert is_error(payload)
    assert (refused.reason, refused.status) == (reason, status)
    assert refused.detail.startswith("Answered 200 with an error")


ANSWERS: list[Any] = [
    {"choices": [{"index": 0, "delta": {"content": "error"}, "finish_reason": None}]},
    {"error": None, "choices": [{"index": 0, "message": {"role": "assistant", "content": "x"}}]},
    {"choices": [], "usage": {"total_tokens": 3}},
    {"choices": None},
    {"choices": [None, 3]},
    {"choices": [], "prompt_filter_results": [{"prompt_index": 0}]},
    {"choices": [{"delta": {}}], "base_resp": {"status_code": 0, "status_msg": ""}},
    {"base_resp": {"status_code": 0, "status_msg": ""}},
    {"type": "ping"},
    {"code": 0, "message": "success"},
    {"code": "200", "message": "OK", "choices": []},
    {},
    [],
    "text",
    None,
]


@pytest.mark.parametrize("payload", ANSWERS, ids=str)
def test_an_answer_is_no_error(payload: Any) -> None:
    assert not is_error(payload)


def test_a_wait_inside_the_error_is_read() -> None:
    payload = gemini("x", code=429, status="RESOURCE_EXHAUSTED", details=[{"retryDelay": "36s"}])

    assert refusal_in(payload).retry_after == 36


OURS = frozenset({"stream_options", "max_completion_tokens"})
REFUSED_BY_NAME: list[tuple[int, Any]] = [
    (400, openai("Unknown parameter: 'stream_options'.", code="unknown_parameter", param="stream_options")),
    (422, {"error": {"param": "stream_options", "code": "unknown_parameter"}}),
    (400, openai("x", param="stream_options.include_usage")),
    (400, openai("Unrecognized request argument supplied: stream_options")),
    (400, openai("property 'stream_options' is unsupported")),
    (400, anthropic("stream_options: Extra inputs are not permitted", kind="invalid_request_error")),
    (400, vllm("[{'type': 'extra_forbidden', 'loc': ('body', 'stream_options'), 'msg': 'Extra inputs'}]")),
    (422, pydantic("extra_forbidden", "body", "stream_options")),
    (400, {"error": 'json: unknown field "stream_options"'}),
    (400, gemini('Unknown name "stream_options": Cannot find field.', code=400, status="INVALID_ARGUMENT")),
    (500, {"error": {"message": "stream_options is not supported"}}),
]


@pytest.mark.parametrize(("status", "payload"), REFUSED_BY_NAME, ids=str)
def test_a_parameter_of_ours_is_not_the_student_s_mistake(status: int, payload: Any) -> None:
    said = Spelling(status, payload, "added")

    assert _of(said, added=OURS) == ("added", "stream_options")
    assert _of(said, added=frozenset()) != ("added", "stream_options")


NOT_OURS = [
    Spelling(400, openai("Use 'max_completion_tokens'; this is not supported", param="max_tokens"), "request"),
    Spelling(400, openai("'stream_options_x' is not supported"), "request"),
    Spelling(400, openai("stream_options belong to streams"), "request"),
    Spelling(401, openai("stream_options are not supported"), "credential"),
]


@pytest.mark.parametrize("said", NOT_OURS, ids=str)
def test_another_parameter_is(said: Spelling) -> None:
    assert _of(said, added=OURS)[0] == said.reason


def _of(said: Spelling, *, added: frozenset[str]) -> tuple[str, str]:
    refused = refusal_of(said.status, said.headers, said.raw, now=NOW, added=added)
    return refused.reason, refused.param


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["error", "code", "message", "type", "status", "detail", "details", "metadata", "choices", "loc"]
            )
            | st.sampled_from(["object", "innererror", "errors", "raw", "headers", "base_resp", "param", "reason"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(payload=JSON, status=st.integers(201, 599))
def test_no_form_at_all_is_beyond_it(payload: Any, status: int) -> None:
    assert isinstance(refusal_in(payload, now=NOW), UpstreamRefused)
    assert isinstance(refusal_of(status, {}, Spelling(status, payload, "").raw, now=NOW, added=OURS), UpstreamRefused)
    assert is_error(payload) in (True, False)
