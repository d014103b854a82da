"""Whatever a provider does: what the student gets, what it costs, what is recorded, and whether it is asked again.

One table of behaviours. Each is tried plain and streamed, with one provider, and with a second one that works.
"""

import gzip
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx
import pytest

from tests.chat.pool import WorldPool
from tests.chat.world import World
from tests.live import Gateway
from tests.provider_stub import ProviderStub

LIMIT = 0.4  # seconds in which a provider has to begin
TRIES = 6  # calls that go to two providers, one after the other
PROMPT = "one two three"
SAID = "Four words of text"
REPORTED = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
SECOND = "The second answers."
SECRET = "acct_secret"

Met = Literal["once", "five times", "always"]  # by six calls, if there is another provider


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing reached the student, who is told so by a status. Free."""

    status: int
    code: str


@dataclass(frozen=True, slots=True)
class Answered:
    """`charged` as reported, or at least so much of an estimate."""

    charged: int = 18
    text: str = SAID
    at_least: int | None = None


@dataclass(frozen=True, slots=True)
class BrokeOff:
    """The student got this much text, and an error event. That much is charged for."""

    text: str


Outcome = Refused | Answered | BrokeOff


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What the provider does with a plain and with a streamed call, and what comes of it if there is no other one."""

    plain: dict[str, Any]
    streamed: dict[str, Any]
    if_plain: Outcome
    if_streamed: Outcome
    moves_on: bool = True  # to the next provider, if there is one
    met: Met = "always"


def both(behaviour: dict[str, Any], outcome: Outcome, **more: Any) -> Row:
    return Row(plain=behaviour, streamed=behaviour, if_plain=outcome, if_streamed=outcome, **more)


def error(status: int, *, headers: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    content = {"error": {"message": SECRET, "type": "x", "param": None, "code": None, **fields}}
    return {"status": status, "headers": headers or {}, "body": json.dumps(content).encode()}


# Bodies


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    frame = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "stub"}
    return {**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


USAGE = {**chunk({}), "choices": [], "usage": REPORTED}
ROLE, STOP = chunk({"role": "assistant", "content": ""}), chunk({}, "stop")
TEXT = [chunk({"content": word}) for word in ("Four", " words", " of", " text")]
DONE = b"data: [DONE]\n\n"


def events(*payloads: Any, before: bytes = b"", end: bytes = DONE, **headers: str) -> dict[str, Any]:
    """A stream. A payload of bytes is an event as it stands."""
    lines = (one if isinstance(one, bytes) else b"data: " + json.dumps(one).encode() + b"\n\n" for one in payloads)
    return {"headers": {"content-type": "text/event-stream", **headers}, "body": before + b"".join(lines) + end}


def answer(message: Any = None, *, usage: Any = REPORTED, **fields: Any) -> dict[str, Any]:
    content = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "stub",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": SAID}, "finish_reason": "stop"}],
        **({"usage": usage} if usage else {}),
        **fields,
    }
    if message is not None:
        content["choices"][0]["message"] = message
    return content


def plain(content: Any, **headers: str) -> dict[str, Any]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return {"headers": {"content-type": "application/json", **headers}, "body": body}


def reports(usage: dict[str, Any], charged: int | None = None, *, at_least: int | None = None) -> Row:
    """A good answer with this report."""
    outcome = Answered(charged or 0, at_least=at_least)
    return Row(
        plain=plain(answer(usage=usage)),
        streamed=events(ROLE, *TEXT, STOP, {**USAGE, "usage": usage}),
        if_plain=outcome,
        if_streamed=outcome,
    )


def fails(content: Any, first: Any, outcome: Outcome | None = None, **more: Any) -> Row:
    """A 200 that is none: this body, or a stream of this alone."""
    outcome = outcome or Refused(502, "upstream_error")
    raw = content if isinstance(content, dict) and "body" in content else plain(content)
    stream = first if isinstance(first, dict) and "body" in first else events(first, end=b"")
    return Row(plain=raw, streamed=stream, if_plain=outcome, if_streamed=outcome, **more)


def breaks(*events_after_text: Any, end: bytes = b"", **behaviour: Any) -> Row:
    """Two words and then this; a plain answer breaks in its middle, before anything has reached anybody."""
    return Row(
        plain={"half_body": True},
        streamed=behaviour or events(ROLE, *TEXT[:2], *events_after_text, end=end),
        if_plain=Refused(502, "upstream_error"),
        if_streamed=BrokeOff("Four words" if not behaviour else "Hello from"),
        moves_on=False,
    )


VLLM = {"object": "error", "message": SECRET, "type": "InternalServerError", "code": 500}
FAILED, LATE = Refused(502, "upstream_error"), Refused(504, "upstream_timeout")
BUSY = Refused(503, "upstream_rate_limited")
NO_KEY = Refused(502, "upstream_credentials_exhausted")
TOO_LONG = Refused(400, "context_length_exceeded")
GOOD = Answered()

TABLE: dict[str, Row] = {
    # Nobody answers
    "hangs": both({"hang_before_first_byte": True}, LATE, met="five times"),
    "role, then silence": Row(
        plain={"hang_before_first_byte": True},
        streamed={"pause_after": 0, "text": SAID},
        if_plain=LATE,
        if_streamed=LATE,
        met="five times",
    ),
    "resets the connection": both({"reset": True}, FAILED),
    # Refuses
    "500": both(error(500), FAILED),
    "503 in HTML": both({"status": 503, "headers": {"content-type": "text/html"}, "body": b"<html>"}, FAILED),
    "redirects": both({"status": 307, "headers": {"location": "http://127.0.0.1:1/"}, "body": b""}, FAILED),
    "401": both(error(401, code="invalid_api_key"), NO_KEY, met="once"),
    "403": both(error(403), NO_KEY, met="once"),
    "402": both(error(402), NO_KEY, met="once"),
    "429 for an empty wallet": both(error(429, code="insufficient_quota"), NO_KEY, met="once"),
    "429 with a wait": both(error(429, headers={"retry-after": "37"}), BUSY, met="once"),
    "404 of a deployment": both(
        error(404, code="DeploymentNotFound"), Refused(502, "upstream_misconfigured"), met="once"
    ),
    "413 of a proxy": both(
        {"status": 413, "headers": {"content-type": "text/html"}, "body": b"<html>"}, Refused(413, "request_too_large")
    ),
    "the prompt is too long": both(error(400, code="context_length_exceeded"), TOO_LONG),
    "the request is wrong": both(
        error(400, code="invalid_value", param="temperature"), Refused(400, "invalid_value"), moves_on=False
    ),
    # Accepts, and does not answer
    "an error in a 200": fails(
        {"error": {"message": SECRET, "code": 503}}, {"error": {"message": SECRET, "code": 503}}
    ),
    "too fast, in a 200": fails({"error": {"code": 429}}, {"error": {"code": 429}}, BUSY, met="once"),
    "an error of vLLM": fails(VLLM, VLLM),
    "an error in a word": fails({"error": SECRET}, {"error": SECRET}),
    "an error after a comment": fails(b"", events({"error": {"message": SECRET}}, before=b": PROCESSING\n\n", end=b"")),
    "nothing": fails(b"", events(end=b"")),
    "only the end": fails({"choices": []}, events()),
    "choices of null": fails({"choices": None}, {**chunk({}), "choices": None}),
    "no choice, and a price": fails({"choices": [], "usage": REPORTED}, events(USAGE)),
    "a role and no more": fails(answer({"role": "assistant", "content": ""}, usage=None), events(ROLE, end=b"")),
    "a web page": fails(
        plain(b"<html>", **{"content-type": "text/html"}),
        {"headers": {"content-type": "text/html"}, "body": b"<html>"},
    ),
    # Breaks off after its first words
    "text, then an error": breaks({"error": {"message": SECRET, "code": 500}}, end=DONE),
    "text, then an error of vLLM": breaks(VLLM, end=DONE),
    "text, then an error event": breaks(b"event: error\ndata: {}\n\n", end=DONE),
    "text, then the end": breaks(),
    "text, then a cut": breaks(cut_after=2),
    # Spells it in another way
    "a good answer": Row(
        plain={"text": SAID, "usage": REPORTED},
        streamed={"text": SAID, "usage": REPORTED},
        if_plain=GOOD,
        if_streamed=GOOD,
    ),
    "the wrong content type": Row(
        plain=plain(answer(), **{"content-type": "text/plain"}),
        streamed=events(ROLE, *TEXT, STOP, USAGE, **{"content-type": "application/json"}),
        if_plain=GOOD,
        if_streamed=GOOD,
    ),
    "a byte order mark": Row(
        plain=plain(b"\xef\xbb\xbf" + json.dumps(answer()).encode()),
        streamed=events(*TEXT, STOP, USAGE, before=b"\xef\xbb\xbf"),
        if_plain=GOOD,
        if_streamed=GOOD,
    ),
    "gzip": Row(
        plain={**plain(answer()), "gzip": True},
        streamed={**events(ROLE, *TEXT, STOP, USAGE), "gzip": True},
        if_plain=GOOD,
        if_streamed=GOOD,
    ),
    "half a surrogate pair": Row(
        plain=plain(json.dumps(answer({"role": "assistant", "content": SAID + " \ud83d"})).encode()),
        streamed=events(ROLE, *TEXT, chunk({"content": " \ud83d"}), STOP, USAGE),
        if_plain=Answered(text=SAID + " \ufffd"),
        if_streamed=Answered(text=SAID + " \ufffd"),
    ),
    "numbers that JSON does not know": Row(
        plain=plain(json.dumps(answer(system_fingerprint=float("nan"))).encode()),
        streamed=events(ROLE, chunk({"content": SAID}, logprob=float("-inf")), STOP, USAGE),
        if_plain=GOOD,
        if_streamed=GOOD,
    ),
    "bytes that are no UTF-8": Row(
        plain=plain(json.dumps(answer()).encode().replace(b"Four", b"Fo\xffur")),
        streamed=events(
            ROLE, b'data: {"choices":[{"index":0,"delta":{"content":"Fo\xffur"}}]}\n\n', *TEXT[1:], STOP, USAGE
        ),
        if_plain=Answered(text="Fo\ufffdur words of text"),
        if_streamed=Answered(text="Fo\ufffdur words of text"),
    ),
    "content as a list": Row(
        plain=plain(answer({"role": "assistant", "content": [{"type": "text", "text": SAID}]})),
        streamed=events(ROLE, chunk({"content": [{"type": "text", "text": SAID}]}), STOP, USAGE),
        if_plain=GOOD,
        if_streamed=GOOD,
    ),
    "events without choices": Row(
        plain=plain(answer(prompt_filter_results=[])),
        streamed=events(
            {"choices": [], "prompt_filter_results": [], "id": ""},
            ROLE,
            *TEXT,
            STOP,
            {"choices": [], "usage": None},
            USAGE,
        ),
        if_plain=GOOD,
        if_streamed=GOOD,
    ),
    # Reports in another way
    "no report": Row(
        plain=plain(answer(usage=None)),
        streamed=events(ROLE, *TEXT, STOP),
        if_plain=Answered(at_least=3),
        if_streamed=Answered(at_least=3),
    ),
    "a report of nothing": reports({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, at_least=3),
    "whole floats": reports({"prompt_tokens": 11.0, "completion_tokens": 7.0, "total_tokens": 18.0}, 18),
    "Anthropic's names": reports({"input_tokens": 11, "output_tokens": 7}, 18),
    "reasoning outside of the answer": reports(
        {
            "prompt_tokens": 11,
            "completion_tokens": 7,
            "total_tokens": 40,
            "completion_tokens_details": {"reasoning_tokens": 22},
        },
        40,
    ),
    "DeepSeek's cache": reports({**REPORTED, "prompt_cache_hit_tokens": 10, "prompt_cache_miss_tokens": 1}, 18),
}


@dataclass(slots=True)
class Case:
    """A call of a row, at a world with one or two providers."""

    world: World
    stubs: tuple[ProviderStub, ...]
    row: Row
    is_stream: bool
    _text: str = field(default="")

    @property
    def outcome(self) -> Outcome:
        return self.row.if_streamed if self.is_stream else self.row.if_plain

    def prepare(self) -> None:
        behaviour = dict(self.row.streamed if self.is_stream else self.row.plain)
        if behaviour.pop("gzip", False):
            behaviour["body"] = gzip.compress(behaviour["body"])
            behaviour["headers"] = {**behaviour["headers"], "content-encoding": "gzip"}
        self.stubs[0].always(**behaviour)
        for other in self.stubs[1:]:
            other.always(text=SECOND, usage=REPORTED)

    def post(self) -> httpx.Response:
        return self.world.post(self.world.body(PROMPT, stream=self.is_stream, max_tokens=200))


@pytest.fixture(scope="module")
def pools(gateway: Gateway) -> Iterator[dict[int, WorldPool]]:
    with ExitStack() as stack:
        limits = {"timeout_seconds": LIMIT}
        yield {
            number: stack.enter_context(WorldPool(gateway, providers=number, provider=limits, batch=16))
            for number in (1, 2)
        }


@pytest.fixture(params=[False, True], ids=["plain", "streamed"])
def is_stream(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def case_of(pools: dict[int, WorldPool], name: str, *, providers: int, is_stream: bool) -> Case:
    ready = pools[providers].take()
    case = Case(ready.world, ready.stubs, TABLE[name], is_stream)
    case.prepare()
    return case


@pytest.mark.parametrize("name", TABLE)
def test_with_one_provider(committed_db: None, pools: dict[int, WorldPool], name: str, is_stream: bool) -> None:
    case = case_of(pools, name, providers=1, is_stream=is_stream)

    response = case.post()

    check(case, response, case.outcome)
    assert case.world.call().attempts == (1 if isinstance(case.outcome, Answered | BrokeOff) else 0)


@pytest.mark.parametrize("name", TABLE)
def test_with_another_provider(committed_db: None, pools: dict[int, WorldPool], name: str, is_stream: bool) -> None:
    case = case_of(pools, name, providers=2, is_stream=is_stream)
    moves_on = case.row.moves_on and isinstance(case.outcome, Refused)

    response = case.post()

    check(case, response, Answered(text=SECOND) if moves_on or _moves_on_plain(case) else case.outcome)
    if not moves_on:
        return
    assert response.headers["x-gateway-attempts"] == "2"
    for _ in range(TRIES - 1):
        assert case.post().status_code == 200
    assert len(case.stubs[0].journal) == {"once": 1, "five times": 5, "always": TRIES}[case.row.met]


def _moves_on_plain(case: Case) -> bool:
    """A plain answer that breaks off has not reached anybody."""
    return not case.is_stream and isinstance(case.row.if_streamed, BrokeOff)


def check(case: Case, response: httpx.Response, outcome: Outcome) -> None:
    """Status, body, charge and record of the only call so far."""
    assert SECRET not in response.text
    call, used = case.world.call(), case.world.settled().used if not isinstance(outcome, Refused) else 0
    assert call.charged == used
    if isinstance(outcome, Refused):
        assert (response.status_code, response.json()["error"]["code"]) == (outcome.status, outcome.code)
        assert (call.status, call.error_code, call.charged) == ("failed", outcome.code, 0)
        assert case.world.usage()["held"] == 0
        return
    assert response.status_code == 200
    if isinstance(outcome, BrokeOff):
        told = payloads(response)[-1]["error"]
        assert (told["code"], told["charged"]) == ("upstream_interrupted", used)
        assert (call.status, said(response)) == ("failed", outcome.text)
        assert used > 0
        return
    assert said(response) == outcome.text
    assert call.status == "answered"
    assert used >= outcome.at_least if outcome.at_least is not None else used == outcome.charged


def payloads(response: httpx.Response) -> list[Any]:
    found = [event.removeprefix("data: ") for event in response.text.split("\n\n") if event.startswith("data: ")]
    return [json.loads(event) for event in found if event != "[DONE]"]


def said(response: httpx.Response) -> str:
    """What a person reads."""
    if response.headers["content-type"].startswith("application/json"):
        return text_in(response.json()["choices"][0]["message"]["content"])
    is_whole = response.text.endswith("data: [DONE]\n\n")
    assert is_whole != any("error" in one for one in payloads(response))
    choices = [choice for one in payloads(response) for choice in one.get("choices") or ()]
    return "".join(text_in(choice.get("delta", {}).get("content")) for choice in choices)


def text_in(content: Any) -> str:
    parts = content if isinstance(content, list) else []
    return content if isinstance(content, str) else "".join(part["text"] for part in parts)
