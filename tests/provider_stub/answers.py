"""Answers in OpenAI's shape."""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from tests.provider_stub.behaviour import Behaviour

ID = "chatcmpl-stub"
CREATED = 1_700_000_000


def usage(behaviour: Behaviour, body: dict[str, Any]) -> dict[str, Any]:
    """One token a word, unless the behaviour says otherwise."""
    if behaviour.usage is not None:
        return dict(behaviour.usage)
    prompt = sum(len(str(message.get("content") or "").split()) for message in body.get("messages", []))
    completion = len(behaviour.text.split())
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def plain(behaviour: Behaviour, body: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": behaviour.text}
    if behaviour.reasoning:
        message["reasoning_content"] = behaviour.reasoning
    if behaviour.tool_calls:
        message |= {"content": None, "tool_calls": list(behaviour.tool_calls)}
    if behaviour.message is not None:
        message = {"role": "assistant", **behaviour.message}
    answer = {
        "id": ID,
        "object": "chat.completion",
        "created": CREATED,
        "model": body.get("model"),
        "choices": [{"index": 0, "message": message, "finish_reason": _finish_reason(behaviour)}],
    }
    return answer if behaviour.no_usage else {**answer, "usage": usage(behaviour, body)}


@lru_cache(maxsize=64)
def pieces(text: str) -> tuple[str, ...]:
    """The text a word at a time; joined, they are the text. Kept, since hundreds of streams may say the same."""
    words = text.split(" ")
    return tuple(word if position == 0 else f" {word}" for position, word in enumerate(words)) if text else ()


def deltas(behaviour: Behaviour) -> Iterator[dict[str, Any]]:
    if behaviour.deltas is not None:
        yield from map(dict, behaviour.deltas)
        return
    for piece in pieces(behaviour.reasoning):
        yield {"reasoning_content": piece}
    for position, call in enumerate(behaviour.tool_calls):
        yield {"tool_calls": [{"index": position, **call}]}
    for piece in pieces(behaviour.text):
        yield {"content": piece}


def chunk(body: dict[str, Any], delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {**_frame(body), "choices": [choice]}


def piece(behaviour: Behaviour, body: dict[str, Any], delta: dict[str, Any]) -> dict[str, Any]:
    whole = chunk(body, delta)
    return {**whole, "usage": usage(behaviour, body)} if behaviour.usage_everywhere else whole


def last_chunk(behaviour: Behaviour, body: dict[str, Any]) -> dict[str, Any]:
    return chunk(body, {}, _finish_reason(behaviour))


def usage_chunk(behaviour: Behaviour, body: dict[str, Any]) -> dict[str, Any]:
    return {**_frame(body), "choices": [], "usage": usage(behaviour, body)}


def error(message: str = "The provider names its account acct_secret here.") -> dict[str, Any]:
    return {"error": {"message": message, "type": "server_error", "param": None, "code": "stub_error"}}


def event(value: Any, behaviour: Behaviour) -> bytes:
    data = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    comment = f": keep-alive{behaviour.line_end}{behaviour.line_end}" if behaviour.comments else ""
    return f"{comment}data: {data}{behaviour.line_end}{behaviour.line_end}".encode()


def _frame(body: dict[str, Any]) -> dict[str, Any]:
    frame = {"id": ID, "object": "chat.completion.chunk", "created": CREATED, "model": body.get("model")}
    return {**frame, "usage": None} if _wants_usage(body) else frame


def _wants_usage(body: dict[str, Any]) -> bool:
    return bool((body.get("stream_options") or {}).get("include_usage"))


def _finish_reason(behaviour: Behaviour) -> str:
    return "tool_calls" if behaviour.tool_calls else "stop"
