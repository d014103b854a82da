"""Events of a stream, and what a meter makes of them."""

import itertools
import json
from collections.abc import Iterable
from typing import Any

from apps.chat.dialects.openai_chat.answer import PlainReader, StreamReader

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def chunk(content: str | None = None, *, index: Any = 0, finish: str | None = None, **extra: Any) -> dict[str, Any]:
    delta = {} if content is None else {"content": content}
    return {"choices": [{"index": index, "delta": delta, "finish_reason": finish}], **extra}


def delta(**fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields}]}


def event(payload: Any, *, end: str = "\n") -> bytes:
    data = payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False)
    return f"data: {data}{end}{end}".encode()


def fed(*payloads: Any, wants_usage: bool = False) -> StreamReader:
    """A meter that has seen these events."""
    meter = StreamReader(wants_usage=wants_usage)
    for payload in payloads:
        meter.feed(event(payload))
    return meter


def read(stream: bytes) -> list[str]:
    """The data of a stream's events, as the event stream format says that clients read it."""
    text = stream.decode().replace("\r\n", "\n").replace("\r", "\n")
    found, lines = [], []
    for line in text.split("\n"):
        if line.startswith("data:"):
            lines.append(line[5:].removeprefix(" "))
        elif not line and lines:
            found.append("\n".join(lines))
            lines = []
    return found


def cut(whole: bytes, places: Iterable[int]) -> list[bytes]:
    ends = [0, *sorted(place % (len(whole) + 1) for place in places), len(whole)]
    return [whole[a:b] for a, b in itertools.pairwise(ends)]


def plain(body: Any) -> PlainReader:
    meter = PlainReader()
    meter.feed(json.dumps(body).encode())
    meter.end()
    return meter
