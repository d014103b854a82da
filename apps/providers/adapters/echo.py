"""The built-in echo provider: it answers with the prompt, one token per word, so Stoa works without an account."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import orjson

from apps.providers.adapters.protocol import Outgoing, Upstream
from apps.providers.routing import Candidate

SECONDS_PER_WORD = 0.02


class EchoAdapter:
    async def open(self, candidate: Candidate, outgoing: Outgoing) -> Upstream:
        return EchoUpstream(outgoing, model=candidate.target.upstream_model)


class EchoUpstream:
    """Streams one word every 20 ms; a plain answer comes at once."""

    def __init__(self, outgoing: Outgoing, *, model: str) -> None:
        body = outgoing.body
        words = _last_prompt(body["messages"]).split(" ")
        cap = body.get("max_completion_tokens") or body.get("max_tokens") or len(words)
        self._is_stream = outgoing.is_stream
        self._words = words[:cap]
        self._finish = "stop" if cap >= len(words) else "length"
        self._head = {"id": f"chatcmpl-{outgoing.request_id}", "created": int(time.time()), "model": model}
        prompt = sum(len(_text(message.get("content")).split()) for message in body["messages"])
        self._usage = {
            "prompt_tokens": prompt,
            "completion_tokens": len(self._words),
            "total_tokens": prompt + len(self._words),
        }
        self.provider_request_id = ""

    async def chunks(self) -> AsyncIterator[bytes]:
        if not self._is_stream:
            yield self._plain()
            return
        yield self._event({"role": "assistant", "content": ""})
        for number, word in enumerate(self._words):
            await asyncio.sleep(SECONDS_PER_WORD)
            yield self._event({"content": f" {word}" if number else word})
        yield self._event({}, finish=self._finish)
        yield self._line({**self._head, "object": "chat.completion.chunk", "choices": [], "usage": self._usage})
        yield b"data: [DONE]\n\n"

    def close(self) -> None:
        pass

    def _plain(self) -> bytes:
        message = {"role": "assistant", "content": " ".join(self._words), "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish}
        return orjson.dumps({**self._head, "object": "chat.completion", "choices": [choice], "usage": self._usage})

    def _event(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return self._line({**self._head, "object": "chat.completion.chunk", "choices": [choice], "usage": None})

    @staticmethod
    def _line(event: dict[str, Any]) -> bytes:
        return b"data: " + orjson.dumps(event) + b"\n\n"


def _last_prompt(messages: list[dict[str, Any]]) -> str:
    """The text of the user's last message, or of the last message if none is from the user."""
    own = [message for message in messages if message.get("role") == "user"] or messages
    return _text(own[-1].get("content"))


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return " ".join(part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))
