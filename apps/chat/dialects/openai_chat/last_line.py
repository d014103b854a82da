"""A line of the gateway's below the text of a chat completion. Pure.

It is added to text alone: not to tool calls, refusals or sound, nor to an answer that was cut or has a form to keep.
"""

from collections.abc import Mapping
from typing import Any

from apps.chat.dialects.openai_chat.notes import MALFORMED
from apps.common.lenient_json import dumps, loads_exactly
from apps.common.sse import data_of, joined

_MORE = ("tool_calls", "function_call", "refusal", "audio")
_FRAME = ("id", "object", "created", "model")


def last_line(body: Mapping[str, Any], text: str) -> "ChatLastLine | None":
    form = body.get("response_format")
    is_free = not form or (isinstance(form, dict) and form.get("type") == "text")
    return ChatLastLine(text) if is_free and body.get("n") in (None, 1) else None


class ChatLastLine:
    def __init__(self, text: str) -> None:
        self.text = text
        self.is_added = self._has_text = self._is_over = False

    def into(self, block: bytes) -> bytes:
        if self._is_over:
            return block
        events = block.removesuffix(b"\n\n").split(b"\n\n")
        try:
            return joined([made for event in events for made in self._event(event)])
        except MALFORMED:
            self._is_over = True
            return block

    def into_body(self, body: bytes) -> bytes:
        try:
            return self._below(body)
        except MALFORMED:
            return body

    def _below(self, body: bytes) -> bytes:
        answer = loads_exactly(body)
        choices = answer["choices"]
        message = choices[0].get("message") or {} if len(choices) == 1 else {}
        self._look_at(message)
        if not self._may_follow(choices[0] if choices else {}):
            return body
        self.is_added = True
        told = {**choices[0], "message": {**message, "content": message["content"] + self.text}}
        return dumps({**answer, "choices": [told]})

    def _event(self, event: bytes) -> list[bytes]:
        """The event, and before it the line if the text ends with it."""
        data = None if self._is_over else data_of(event)
        if data is None:
            return [event]
        payload = loads_exactly(data)
        choices = payload.get("choices") or ()
        self._is_over |= any(choice.get("index") for choice in choices)
        for choice in choices:
            delta = choice.get("delta") or {}
            self._look_at(delta)
            if choice.get("finish_reason"):
                return self._at_the_end(event, payload, choice, delta)
        return [event]

    def _at_the_end(
        self, event: bytes, payload: dict[str, Any], choice: dict[str, Any], delta: dict[str, Any]
    ) -> list[bytes]:
        may_follow, self._is_over = self._may_follow(choice), True
        if not may_follow:
            return [event]
        self.is_added = True
        if content := delta.get("content"):
            told = {**choice, "delta": {**delta, "content": content + self.text}}
            return [_event_of({**payload, "choices": [told]})]
        frame = {key: payload[key] for key in _FRAME if key in payload}
        line = {"index": 0, "delta": {"content": self.text}, "finish_reason": None}
        return [_event_of({**frame, "choices": [line]}), event]

    def _look_at(self, message: Mapping[str, Any]) -> None:
        """Note what a message, or a piece of one, has beside its text."""
        content = message.get("content")
        self._has_text |= isinstance(content, str) and bool(content)
        self._is_over |= any(message.get(key) for key in _MORE) or not isinstance(content, str | None)

    def _may_follow(self, choice: Mapping[str, Any]) -> bool:
        return self._has_text and not self._is_over and choice.get("finish_reason") == "stop"


def _event_of(payload: Mapping[str, Any]) -> bytes:
    return b"data: " + dumps(payload)
