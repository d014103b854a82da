"""Everything that providers do, by name: `stub.will(**BEHAVIOURS["half a surrogate"].does)`."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from tests.provider_stub.answers import ID
from tests.provider_stub.named import (
    COMMENT,
    COUNTED,
    DONE,
    END,
    GOOD,
    ROLE,
    STOP,
    TEXT,
    USAGE,
    WORDS,
    Form,
    Named,
    chunk,
    completion,
    ends,
    raw,
    said,
    sse,
)
from tests.provider_stub.spelling import HTML, PRIVATE, anthropic, gemini, openai, openrouter, vllm
from tests.provider_stub.spellings import ERRORS
from tests.provider_stub.usages import USAGES

__all__ = ["BEHAVIOURS", "Form", "Named"]

HUGE = "x" * (9 * 2**20)

# Errors inside an answer with status 200


def error_in_answer(error: Any, reason: str, *, event: bytes | None = None) -> dict[str, Named]:
    """Instead of an answer, and in a stream as its first event, behind a comment, behind the role, and behind words."""
    sent = event or sse(error)
    places: dict[str, list[Any]] = {
        "first": [sent],
        "first, then done": [sent, DONE],
        "behind a comment": [COMMENT, sent],
        "behind the role": [ROLE, sent],
    }
    found = {
        place: Named({"plain": raw(error), "events": events}, "nothing", reason=reason)
        for place, events in places.items()
    }
    found |= {
        place: Named({"events": events}, "breaks", ("stream",), reason=reason)
        for place, events in {
            "behind words": [ROLE, TEXT, sent],
            "behind words, then more": [ROLE, TEXT, sent, said(content=" More."), *END],
        }.items()
    }
    return found


INSIDE: dict[str, dict[str, Named]] = {
    "openai error": error_in_answer(openai("overloaded", code=503, kind="server_error"), "error"),
    "openai rate error": error_in_answer(openai("Rate limit exceeded", code=429), "rate"),
    "openai billing error": error_in_answer(openai(PRIVATE, code="insufficient_quota"), "billing"),
    "openai context error": error_in_answer(openai(PRIVATE, code="context_length_exceeded"), "too_long"),
    "vllm error": error_in_answer(vllm("engine died", kind="InternalServerError", code=500), "error"),
    "anthropic error": error_in_answer(
        anthropic("Overloaded", kind="overloaded_error"),
        "error",
        event=b"event: error\n" + sse(anthropic("Overloaded", kind="overloaded_error")),
    ),
    "error in words": error_in_answer({"error": "engine died"}, "error"),
    "gemini error": error_in_answer(gemini("Slow", code=429, status="RESOURCE_EXHAUSTED"), "rate"),
    "openrouter error": error_in_answer(
        {**chunk({"index": 0, "delta": {"content": ""}, "finish_reason": "error"}), **openrouter("Gone", code=502)},
        "error",
    ),
    "error of a choice": error_in_answer(
        chunk({"index": 0, "delta": {}, "finish_reason": "error", "error": {"code": 502, "message": "Gone"}}), "error"
    ),
}

# Answers that are none


def nothing(events: list[Any], *, plain: Any = None, **more: Any) -> Named:
    forms: tuple[Form, ...] = ("stream",) if plain is None else ("plain", "stream")
    body = plain if isinstance(plain, bytes) or plain is None else raw(plain)
    return Named({"events": events, "plain": body, **more}, "nothing", forms)


def no_plain(body: bytes) -> Named:
    return Named({"plain": body}, "nothing", ("plain",))


NOTHING = {
    "empty": nothing([], plain=b""),
    "only comments": nothing([COMMENT, COMMENT]),
    "only done": nothing([DONE]),
    "role and done": nothing([ROLE, DONE]),
    "role and the end": nothing([ROLE]),
    "no choices": nothing([chunk(), DONE], plain={**completion(), "choices": []}),
    "choices null": nothing([chunk(choices=None), DONE], plain={**completion(), "choices": None}),
    "a choice null": nothing([chunk(choices=[None]), DONE], plain={**completion(), "choices": [None]}),
    "half an event": nothing([sse(TEXT)[:40]]),
    "events that are no json": nothing([b"data: {oops\n\n", DONE], plain=b"{oops"),
    "a web page": nothing([HTML.encode()], plain=HTML.encode()),
    "a labelled web page": Named({"body": HTML.encode(), "headers": {"content-type": "text/html"}}, "nothing"),
    "an encoding nobody reads": Named({"headers": {"content-encoding": "br"}}, "nothing"),
    "a document instead of a stream": Named({"body": raw(completion())}, "nothing", ("stream",)),
    "an error instead of a stream": Named({"body": raw(openai("x", code=429))}, "nothing", ("stream",), reason="rate"),
    "headers, then silence": Named({"events": GOOD, "pause_after": 0}, "nothing", ("stream",)),
    "the role, then silence": Named({"events": GOOD, "pause_after": 1}, "nothing", ("stream",)),
    "the role, then a cut": Named({"events": GOOD, "cut_after": 1}, "nothing", ("stream",)),
    "a plain null": no_plain(b"null"),
    "a plain list": no_plain(b"[]"),
    "a plain stream": no_plain(sse(TEXT)),
    "a plain answer without choices": no_plain(raw({"id": ID, "usage": COUNTED})),
    "half a plain answer": Named({"half_body": True}, "nothing", ("plain",)),
    "half a plain document": no_plain(raw(completion())[:60]),
    "reset": Named({"reset": True}, "nothing"),
    "closed without a byte": Named({"close": True}, "nothing"),
    "silence": Named({"hang_before_first_byte": True}, "nothing", reason="too_slow"),
}

BREAKS = {
    "words, then an event that is no json": Named({"malformed_after": 1}, "breaks", ("stream",)),
    "words, then a cut": Named({"events": GOOD, "cut_after": 2}, "breaks", ("stream",)),
    "words, then silence": Named({"events": GOOD, "pause_after": 2}, "breaks", ("stream",)),
    "words, then the end": Named({"events": [ROLE, TEXT]}, "breaks", ("stream",)),
    "words, then half an event": Named({"events": [ROLE, TEXT, sse(TEXT)[:40]]}, "breaks", ("stream",)),
    "words, then half a character": Named(
        {"events": [ROLE, TEXT, 'data: {"a": "ä'.encode()[:-1]]}, "breaks", ("stream",)
    ),
}

# Good answers, in unusual forms


def good(events: list[Any] | None = None, plain: Any = None, *, words: str = WORDS, **more: Any) -> Named:
    forms: tuple[Form, ...] = (*(("plain",) if plain is not None else ()), *(("stream",) if events is not None else ()))
    body = plain if isinstance(plain, bytes) or plain is None else raw(plain)
    return Named({"events": events, "plain": body, **more}, "answer", forms, words)


AZURE = [chunk(prompt_filter_results=[{"prompt_index": 0}], id=""), ROLE, TEXT]
AZURE += [
    chunk({"index": 0, "finish_reason": None, "content_filter_offsets": {}}),
    STOP,
    USAGE,
    chunk(usage=None),
    DONE,
]
NO_UTF8 = sse(TEXT).replace(b"stub", b"st\xffub")
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
HALVES = [b'data: {"choices":[{"index":0,"delta":{"content":"before \\ud83d"},"finish_reason":null}]}\n\n']
HALVES += [b'data: {"choices":[{"index":0,"delta":{"content":"\\ude00 after"},"finish_reason":null}]}\n\n']
BOM = b"\xef\xbb\xbf"

FORMS = {
    "good": Named({}, "answer"),
    "half a surrogate": good(
        [ROLE, *HALVES, *END], raw(completion("cut emoji X")).replace(b"X", b"\\ud83d"), words="before 😀 after"
    ),
    "no utf-8": good(
        [ROLE, NO_UTF8, *END],
        raw(completion()).replace(b"stub", b"st\xffub"),
        words=WORDS.replace("stub", "st\ufffdub"),
    ),
    "numbers json does not know": good(
        [ROLE, sse({**TEXT, "logprob": float("nan")}), *END], {**completion(), "logprob": float("-inf")}
    ),
    "numbers beyond 64 bit": good([ROLE, {**TEXT, "seed": 2**70}, *END], {**completion(), "seed": 2**70}),
    "labelled as json": Named({"headers": {"content-type": "application/json"}}, "answer"),
    "labelled as a stream": Named({"headers": {"content-type": "text/event-stream"}}, "answer"),
    "labelled as text": Named({"headers": {"content-type": "text/plain"}}, "answer"),
    "labelled as html": Named({"headers": {"content-type": "text/html; charset=utf-8"}}, "answer"),
    "without a label": Named({"headers": {"content-type": ""}}, "answer"),
    "gzip": Named({"gzip": True}, "answer"),
    "a byte order mark": good([BOM + sse(ROLE), TEXT, *END], BOM + raw(completion())),
    "blank lines first": good([b"\n\n", COMMENT, *GOOD], b"\n\n\n" + raw(completion())),
    "big headers": Named({"headers": {f"x-policy-{number}": "y" * 1000 for number in range(100)}}, "answer"),
    "until the connection ends": Named({"until_close": True}, "answer"),
    "without done": Named({"no_done": True}, "answer", ("stream",)),
    "without usage": Named({"no_usage": True}, "answer"),
    "crlf": Named({"line_end": "\r\n"}, "answer", ("stream",)),
    "comments between": Named({"comments": True}, "answer", ("stream",)),
    "one byte at a time": Named({"split": 1}, "answer", ("stream",)),
    "azure": good(AZURE, completion(prompt_filter_results=[{"prompt_index": 0}])),
    "choices null beside": good([ROLE, TEXT, chunk(choices=None), *END]),
    "content as a list": good(
        [ROLE, said(content=[{"type": "text", "text": WORDS}]), *END], completion([{"type": "text", "text": WORDS}])
    ),
    "tool deltas without index": good([ROLE, said(tool_calls=[CALL]), ends("tool_calls"), USAGE, DONE], words="[f] {}"),
    "a refusal": good([ROLE, said(refusal="No."), *END], words="No."),
    "only reasoning, then the cap": good([ROLE, said(reasoning_content="Hm"), ends("length"), USAGE, DONE], words="Hm"),
    "done, then a cut": Named({"events": [*GOOD, COMMENT], "cut_after": len(GOOD)}, "answer", ("stream",)),
    "an event of 9 MiB": good([ROLE, said(content=HUGE), *END], words=HUGE),
    "slow to begin": Named({"delay": 0.3}, "answer"),
}


# What to wait


def _in(seconds: float) -> Callable[[], str]:
    return lambda: format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


def waits(status: int = 429, **headers: Any) -> Named:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Named(
        {"status": status, "headers": named, "body": b"{}"}, "nothing", reason="rate" if status == 429 else "error"
    )


WAITS = {
    "429 for 37 seconds": waits(retry_after="37"),
    "429 for a fraction of a second": waits(retry_after="0.25"),
    "429 for milliseconds": waits(retry_after_ms="250"),
    "429 until a date": waits(retry_after=_in(20)),
    "429 until a date that has passed": waits(retry_after=_in(-20)),
    "429 for a negative time": waits(retry_after="-5"),
    "429 for ten years": waits(retry_after="315360000"),
    "429 for nonsense": waits(retry_after="soon"),
    "429 without a time": waits(),
    "429 until its limit resets": waits(x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests="1m30s"),
    "503 for 7 seconds": waits(503, retry_after="7"),
}

# Parameters that are refused


def refuses(name: str, status: int, body: Any) -> Named:
    return Named({"refuses": (name,), "status": status, "body": raw(body)}, "added")


REFUSES = {
    "stream_options refused": Named(
        {
            "refuses": ("stream_options",),
            "status": 422,
            "body": raw({"error": {"param": "stream_options", "code": "unknown_parameter"}}),
        },
        "added",
        ("stream",),
    ),
    "stream_options refused in words": Named(
        {
            "refuses": ("stream_options",),
            "status": 400,
            "body": raw(openai("Unrecognized request argument supplied: stream_options")),
        },
        "added",
        ("stream",),
    ),
    "max_tokens refused": refuses(
        "max_tokens", 400, openai("Use 'max_completion_tokens'.", code="unsupported_parameter", param="max_tokens")
    ),
    "max_completion_tokens refused": refuses(
        "max_completion_tokens", 400, openai("property 'max_completion_tokens' is unsupported")
    ),
}

BY_STATUS = {
    name: Named(
        {"status": error.status, "body": error.raw, "headers": {**error.headers}},
        "request" if error.reason == "request" else "nothing",
        reason=error.reason,
    )
    for name, error in ERRORS.items()
}

BEHAVIOURS: Mapping[str, Named] = {
    **{f"{name}, {place}": named for name, places in INSIDE.items() for place, named in places.items()},
    **NOTHING,
    **BREAKS,
    **FORMS,
    **USAGES,
    **WAITS,
    **REFUSES,
    **BY_STATUS,
}
