"""What a chat completion is, read on the side while its bytes pass.

Complete events are relayed as they were. Those that are no valid JSON are dropped, since clients would choke on them.
"""

from collections.abc import Mapping
from typing import Any, TypeGuard

import orjson

from apps.chat.dialects.openai_chat.choices import index_of
from apps.chat.dialects.openai_chat.text import layout
from apps.chat.dialects.protocol import Delta
from apps.chat.dialects.recorded import RecordedText
from apps.common.sse import EventSplitter, EventTooLong, data_of, joined
from apps.providers.adapters import UpstreamBroken
from apps.quotas.weights import Tokens

MAX_EVENT = 8 * 2**20
MAX_ANSWER = 64 * 2**20
DONE = b"data: [DONE]\n\n"
_MAX_COUNT = 2**40


def read_usage(usage: Any) -> Tokens | None:
    """The usage that a provider reports, or None if it is not made of sane counts."""
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if completion is None and _is_count(prompt) and _is_count(total := usage.get("total_tokens")):
        completion = total - prompt
    details = usage.get("prompt_tokens_details")
    cached = (details.get("cached_tokens") if isinstance(details, dict) else 0) or 0
    if _is_count(prompt) and _is_count(completion) and _is_count(cached) and cached <= prompt:
        return Tokens(input=prompt, cached_input=cached, output=completion)
    return None


def _is_count(value: Any) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= _MAX_COUNT


def record_message(choice: int, message: Mapping[str, Any], recorded: RecordedText) -> None:
    """Record a message of an answer, or a piece of one."""
    for run in layout(message, is_answer=True):
        recorded.add(choice, run.text, run.matched_as)


def record_answer(answer: Mapping[str, Any], recorded: RecordedText) -> None:
    for choice in answer["choices"]:
        record_message(index_of(choice), choice["message"], recorded)


def record(delta: Delta, recorded: RecordedText) -> None:
    recorded.add(delta.choice, delta.text, None if delta.channel == "content" else "")


class _Reader:
    """What is known of an answer so far."""

    def __init__(self) -> None:
        self.recorded = RecordedText()
        self.usage: Tokens | None = None
        self.is_done = False
        self._size = 0
        self._counted_bytes = 0  # of the text, when usage was reported

    @property
    def is_usage_final(self) -> bool:
        return self.usage is not None and self._counted_bytes == self.recorded.text_bytes

    def _count(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > MAX_ANSWER:
            raise UpstreamBroken(f"The answer is longer than {MAX_ANSWER} bytes.")

    def _note_usage(self, usage: Tokens | None) -> None:
        """The last report that makes sense counts."""
        if usage is not None:
            self.usage, self._counted_bytes = usage, self.recorded.text_bytes


class StreamReader(_Reader):
    """Reads a stream. `wants_usage`: whether the client asked for the usage event, which we always ask for."""

    def __init__(self, *, wants_usage: bool) -> None:
        super().__init__()
        self._wants_usage = wants_usage
        self._events = EventSplitter(longest=MAX_EVENT)
        self.is_finished = False
        self.dropped = 0

    def feed(self, chunk: bytes) -> bytes:
        """Take bytes in any cut; give back complete events to relay. Raises UpstreamBroken."""
        self._count(chunk)
        kept: list[bytes] = []
        try:
            for event in self._events.feed(chunk):
                if not self.is_done and self._keep(event):
                    kept.append(event)
        except EventTooLong as error:
            raise UpstreamBroken(str(error)) from error
        except UpstreamBroken as error:
            error.kept = joined(kept)
            raise
        return joined(kept)

    def _keep(self, event: bytes) -> bool:
        data = data_of(event)
        if data is None:
            return event.startswith(b":")
        if data.startswith(b"[DONE]"):
            self.is_done = True
            return False
        try:
            return self._note(orjson.loads(data))
        except (orjson.JSONDecodeError, AttributeError, TypeError):
            self.dropped += 1
            return False

    def _note(self, payload: Any) -> bool:
        """Read an event; True if it is to be relayed."""
        if payload.get("error"):
            raise UpstreamBroken("The provider reported an error within the stream.")
        choices = payload.get("choices") or ()
        for choice in choices:
            delta = choice.get("delta")
            if delta:
                self._note_delta(index_of(choice), delta)
            if choice.get("finish_reason"):
                self.is_finished = True
        if usage := payload.get("usage"):
            self._note_usage(read_usage(usage))
            return self._wants_usage or bool(choices)
        return True

    def _note_delta(self, choice: int, delta: Any) -> None:
        text = delta.get("content")
        if isinstance(text, str) and text and len(delta) == 1:
            self.recorded.add(choice, text)
        else:
            record_message(choice, delta, self.recorded)

    def end(self) -> None:
        """The provider closed the stream. Raises UpstreamBroken if it did so before the answer was finished."""
        if not (self.is_done or self.is_finished):
            raise UpstreamBroken("The stream ended without a finish reason.")

    def body(self) -> None:
        return None


class PlainReader(_Reader):
    """Collects a plain answer."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def feed(self, chunk: bytes) -> bytes:
        """Take bytes; nothing is relayed before the whole answer is there. Raises UpstreamBroken."""
        self._count(chunk)
        self._parts.append(chunk)
        return b""

    def end(self) -> None:
        """Read the answer. Raises UpstreamBroken if it is not a chat completion."""
        try:
            answer = orjson.loads(self.body())
            record_answer(answer, self.recorded)
            self._note_usage(read_usage(answer.get("usage")))
        except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
            raise UpstreamBroken("The answer is not a chat completion.") from error

    def body(self) -> bytes:
        return b"".join(self._parts)
