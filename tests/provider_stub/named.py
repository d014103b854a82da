"""What a behaviour with a name is made of, and what it means to the caller.

`means` is what it comes to with one deployment, or before the next one is tried:
    answer    a good answer, however it is written; its words are WORDS unless `words` says others
    nothing   no word of an answer came: a failed attempt
    breaks    words came, and then it failed
    request   the student's mistake, at any deployment
    added     a parameter is refused that Stoa may have added
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tests.provider_stub.answers import CREATED, ID

WORDS = "Hello from the provider stub."

Form = Literal["plain", "stream"]
Meaning = Literal["answer", "nothing", "breaks", "request", "added"]


@dataclass(frozen=True, slots=True)
class Named:
    """What a stub is told to do, and what that means. `tokens` are input, cached input and output, if known."""

    does: Mapping[str, Any]
    means: Meaning
    forms: tuple[Form, ...] = ("plain", "stream")
    words: str = WORDS
    reason: str = ""
    tokens: tuple[int, int, int] | None = None


def chunk(*choices: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"id": ID, "object": "chat.completion.chunk", "created": CREATED, "model": "m", "choices": choices, **fields}


def said(**delta: Any) -> dict[str, Any]:
    return chunk({"index": 0, "delta": delta, "finish_reason": None})


def ends(reason: str = "stop", **fields: Any) -> dict[str, Any]:
    return chunk({"index": 0, "delta": {}, "finish_reason": reason}, **fields)


def reports(**usage: Any) -> dict[str, Any]:
    return chunk(usage=usage)


def completion(content: Any = WORDS, *, finish: str = "stop", **fields: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content}
    choices = [{"index": 0, "message": message, "finish_reason": finish}]
    answer = {"id": ID, "object": "chat.completion", "created": CREATED, "model": "m", "choices": choices}
    return {**answer, "usage": COUNTED, **fields}


def sse(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def raw(value: Any) -> bytes:
    return json.dumps(value).encode()


COUNTED = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
ROLE, TEXT, STOP, USAGE, DONE = (
    said(role="assistant", content=""),
    said(content=WORDS),
    ends(),
    reports(**COUNTED),
    "[DONE]",
)
END = [STOP, USAGE, DONE]
GOOD = [ROLE, TEXT, *END]
COMMENT = b": PROCESSING\n\n"
