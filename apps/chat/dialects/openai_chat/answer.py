"""Reads a chat completion while its bytes pass.

Complete events are relayed as they were. Those with invalid JSON are dropped, since clients would fail on them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import orjson

from apps.chat.dialects.openai_chat.alike import AlikeEvents, learned
from apps.chat.dialects.openai_chat.choices import brings_more, index_of
from apps.chat.dialects.openai_chat.text import layout
from apps.chat.dialects.protocol import Delta
from apps.chat.dialects.recorded import RecordedText
from apps.common.sse import EventSplitter, EventTooLong, data_of, joined
from apps.providers.adapters.protocol import UpstreamBroken
from apps.quotas.weights import Tokens

MAX_EVENT = 8 * 2**20
MAX_ANSWER = 64 * 2**20
DONE = b"data: [DONE]\n\n"
_MAX_COUNT = 2**40
_FILTERED = "content_filter"
_NOTHING_SAID = "The answer says nothing."


def read_usage(usage: Any) -> Tokens | None:
    """The usage that a provider reports, or None if it does not consist of sane counts."""
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
        self.doubt = ""
        self.is_done = self.has_events = False
        self._has_more = False  # than text: a tool call, sound, or that the provider filtered the answer
        self._size = 0
        self._counted_bytes = 0  # size of the text when usage was reported

    @property
    def is_usage_final(self) -> bool:
        return self.usage is not None and self._counted_bytes == self.recorded.text_bytes

    def _was_billed(self) -> bool:
        """Whether tokens were produced. A model may spend all of them on thoughts that it does not show."""
        return self.usage is not None and self.usage.output > 0

    def _count(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > MAX_ANSWER:
            raise UpstreamBroken(f"The answer is longer than {MAX_ANSWER} bytes.")

    def _note_usage(self, usage: Tokens | None) -> None:
        """The last report that makes sense counts."""
        if usage is not None:
            self.usage, self._counted_bytes = usage, self.recorded.text_bytes


class StreamReader(_Reader):
    """Reads a stream. `wants_usage`: whether the client asked for the usage event, which we always request.

    Events that differ from an earlier one only in their text are read many at a time, without being parsed.
    """

    lessons = 2  # after so many forms of event that did not recur, stop learning

    def __init__(self, *, wants_usage: bool) -> None:
        super().__init__()
        self._wants_usage = wants_usage
        self._events = EventSplitter(longest=MAX_EVENT)
        self._alike: AlikeEvents | None = None
        self._lessons_left = self.lessons
        self.is_finished = False
        self.dropped = 0

    @property
    def has_content(self) -> bool:
        return bool(self.recorded.text_bytes) or self._has_more or (self.is_finished and self._was_billed())

    def feed(self, chunk: bytes) -> bytes:
        """Take any chunk, and return complete events to relay. Raises UpstreamBroken."""
        self._count(chunk)
        if self._alike is not None and self._events.is_between and self._alike.record(chunk, self.recorded):
            self._lessons_left = self.lessons
            return chunk
        kept: list[bytes] = []
        try:
            self._read(self._events.feed(chunk), kept)
        except EventTooLong as error:
            raise UpstreamBroken(str(error)) from error
        except UpstreamBroken as error:
            error.kept = joined(kept)
            raise
        return joined(kept)

    def _read(self, events: list[bytes], kept: list[bytes]) -> None:
        """Read events in order, and add to `kept` those to relay."""
        run: list[bytes] = []
        for event in events:
            alike = self._alike
            if alike is not None and event.startswith(alike.before) and event.endswith(alike.behind):
                run.append(event)
                continue
            if run:
                self._read_run(run, kept)
                run = []
            if not self.is_done and self._keep(event):
                kept.append(event)
        if run:
            self._read_run(run, kept)

    def _read_run(self, run: list[bytes], kept: list[bytes]) -> None:
        """Read events that look alike."""
        if self._alike is not None and (texts := self._alike.texts(run)) is not None:
            self.recorded.extend(self._alike.choice, texts)
            self._lessons_left = self.lessons
            kept += run
            return
        for event in run:
            if not self.is_done and self._keep(event):
                kept.append(event)

    def _keep(self, event: bytes) -> bool:
        data = data_of(event)
        if data is None:
            return event.startswith(b":")
        if data.startswith(b"[DONE]"):
            self.is_done, self._alike = True, None
            return False
        try:
            payload = orjson.loads(data)
            is_kept = self._note(payload)
        except (orjson.JSONDecodeError, AttributeError, TypeError):
            self.dropped += 1
            return False
        if self._lessons_left and (alike := learned(event, payload)) is not None:
            self._lessons_left -= 1
            self._alike = alike if self._lessons_left else None
        return is_kept

    def _note(self, payload: Any) -> bool:
        """Read an event. Returns whether to relay it."""
        if payload.get("error"):
            raise UpstreamBroken("The provider reported an error within the stream.", error=payload)
        self.has_events = True
        choices = payload.get("choices") or ()
        for choice in choices:
            delta = choice.get("delta")
            if delta:
                self._note_delta(index_of(choice), delta)
            if reason := choice.get("finish_reason"):
                self.is_finished = True
                self._has_more |= reason == _FILTERED
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
            self._has_more |= brings_more(delta)

    def end(self) -> None:
        """The provider closed the stream. Raises UpstreamBroken if the answer was not finished, or says nothing."""
        if not (self.is_done or self.is_finished):
            raise UpstreamBroken("The stream ended without a finish reason.")
        if not self.has_content:
            raise UpstreamBroken(_NOTHING_SAID)

    def body(self) -> None:
        return None


class PlainReader(_Reader):
    """Collects a plain answer."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self.has_content = False

    def feed(self, chunk: bytes) -> bytes:
        """Take any chunk. Returns nothing, since a plain answer is relayed whole. Raises UpstreamBroken."""
        self._count(chunk)
        self._parts.append(chunk)
        return b""

    def end(self) -> None:
        """Read the answer. Raises UpstreamBroken if it is not a chat completion, or says nothing."""
        try:
            answer = orjson.loads(self.body())
            if answer.get("error"):
                raise UpstreamBroken("The provider answered with an error.", error=answer)
            record_answer(answer, self.recorded)
            self._note_usage(read_usage(answer.get("usage")))
            says_something = self._says_something(answer["choices"])
        except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
            raise UpstreamBroken("The answer is not a chat completion.") from error
        if not says_something:
            raise UpstreamBroken(_NOTHING_SAID)
        self.has_content = self.has_events = True

    def _says_something(self, choices: Sequence[Mapping[str, Any]]) -> bool:
        if self.recorded.text_bytes or (choices and self._was_billed()):
            return True
        return any(brings_more(choice["message"]) or choice.get("finish_reason") == _FILTERED for choice in choices)

    def body(self) -> bytes:
        return b"".join(self._parts)
