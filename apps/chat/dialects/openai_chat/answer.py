"""Reads a chat completion while its bytes pass.

Events are relayed as they came, if strict clients can read them; otherwise in a form that they can. An event with words
that nobody can read breaks the answer off, since nothing may be lost without a trace.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from apps.chat.dialects.openai_chat.alike import AlikeEvents, learned
from apps.chat.dialects.openai_chat.choices import brings_more
from apps.chat.dialects.openai_chat.chunks import StreamNotes
from apps.chat.dialects.openai_chat.mending import Halves
from apps.chat.dialects.openai_chat.notes import (
    FILTERED,
    MALFORMED,
    NOTHING_SAID,
    REPORTED,
    UNREADABLE,
    AnswerNotes,
    record_answer,
)
from apps.chat.dialects.openai_chat.usage import usage_beside
from apps.common.lenient_json import BYTE_ORDER_MARK, dumps, loads, loads_exactly
from apps.common.sse import EventSplitter, EventTooLong, data_of, has_other_lines, is_text, joined, name_of
from apps.providers.adapters.protocol import AnswerTooLong, UpstreamBroken
from apps.providers.failures import is_error

MAX_EVENT = 32 * 2**20  # an image that a model made comes in one event
DONE = b"data: [DONE]\n\n"
_FIELD = len(b"data: ")


class StreamReader(StreamNotes):
    """Reads a stream. `wants_usage`: whether the client asked for the usage event, which we always request.

    Events that differ from an earlier one only in their text are read many at a time, without being parsed.
    """

    lessons = 2  # after so many forms of event that did not recur, stop learning

    def __init__(self, *, wants_usage: bool) -> None:
        super().__init__(wants_usage=wants_usage)
        self._events = EventSplitter(longest=MAX_EVENT)
        self._alike: AlikeEvents | None = None
        self._halves = Halves()
        self._lessons_left = self.lessons

    def feed(self, chunk: bytes) -> bytes:
        """Take any chunk, and return complete events to relay. Raises UpstreamBroken."""
        self.count(chunk)
        if self._alike is not None and self._events.is_between and self._alike.record(chunk, self.recorded):
            self._lessons_left = self.lessons
            return chunk
        kept: list[bytes] = []
        try:
            self._read(self._events.feed(chunk), kept)
        except EventTooLong as error:
            raise AnswerTooLong(str(error)) from error
        except UpstreamBroken as error:
            error.kept = joined(kept)
            raise
        return joined(kept)

    def _read(self, events: list[bytes], kept: list[bytes]) -> None:
        """Read events in order, and add to `kept` what to relay of them."""
        run: list[bytes] = []
        for event in events:
            alike = self._alike
            if alike is not None and event.startswith(alike.before) and event.endswith(alike.behind):
                run.append(event)
                continue
            if run:
                self._read_run(run, kept)
                run = []
            if not self.is_done and (left := self._kept(event)) is not None:
                kept.append(left)
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
            if not self.is_done and (left := self._kept(event)) is not None:
                kept.append(left)

    def _kept(self, event: bytes) -> bytes | None:
        """What to relay of an event. Raises UpstreamBroken if it is an error, or has words that nobody can read."""
        data = data_of(event)
        if data is None:
            return self._without_data(event)
        is_all_data = len(event) == len(data) + _FIELD
        if not is_all_data and name_of(event) == b"error":
            raise UpstreamBroken(REPORTED, error=_error_of(data))
        if data.startswith(b"[DONE]"):
            self.is_done, self._alike = True, None
            return None
        try:
            payload = orjson.loads(data)
        except orjson.JSONDecodeError:
            return self._kept_in_part(data)
        if self._halves.open or not (is_all_data or is_text(event)):
            return self._kept_in_part(data)
        left = self.noted(payload, data)
        if left is None or left is not payload:
            return None if left is None else _event_of(left)
        if self._lessons_left and (alike := learned(event, payload)) is not None:
            self._lessons_left -= 1
            self._alike = alike if self._lessons_left else None
        return event

    def _kept_in_part(self, data: bytes) -> bytes | None:
        """The same for an event that only lenient clients can read, or that follows half a character."""
        if not data.strip():
            return None
        try:
            given = loads_exactly(data)
            legal = dumps(self._halves.joined(given))
            payload = orjson.loads(legal)
        except MALFORMED as error:
            raise UpstreamBroken(UNREADABLE) from error
        if self._halves.open:
            self._alike = None  # the next event must be read
        left = self.noted(payload, legal)
        return None if left is None else _event_of(left)

    def _without_data(self, event: bytes) -> bytes | None:
        """Comments pass. Clients skip lines that are no fields, so these may not carry anything."""
        if name_of(event) == b"error":
            raise UpstreamBroken(REPORTED, error={})
        if has_other_lines(event):
            error = _error_of(event)
            raise UpstreamBroken(UNREADABLE, error=error if is_error(error) else None)
        return event if event.startswith(b":") and is_text(event) else None

    def end(self) -> None:
        """The provider closed the stream. Raises UpstreamBroken if the answer was not finished, or says nothing."""
        if not self.is_done and (rest := self._events.rest):
            self._read_rest(rest)
        if not (self.is_done or self.is_finished):
            raise UpstreamBroken("The stream ended without a finish reason.", is_empty=not self.has_events)
        if not self.has_content:
            raise UpstreamBroken(NOTHING_SAID, is_empty=True)

    def _read_rest(self, rest: bytes) -> None:
        """An event without its blank line, which clients skip. It may be an error, the usage or the end mark."""
        before = self.recorded.text_bytes, self.is_finished
        self._kept(rest.rstrip(b"\n"))
        if (self.recorded.text_bytes, self.is_finished) != before:
            raise UpstreamBroken("The stream ended within an event.")

    def body(self) -> None:
        return None


class PlainReader(AnswerNotes):
    """Collects a plain answer."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._body: bytes | None = None
        self.has_content = False

    def feed(self, chunk: bytes) -> bytes:
        """Take any chunk. Returns nothing, since a plain answer is relayed whole. Raises UpstreamBroken."""
        self.count(chunk)
        self._parts.append(chunk)
        return b""

    def end(self) -> None:
        """Read the answer. Raises UpstreamBroken if it is not a chat completion, or says nothing."""
        try:
            answer = self._read()
            if is_error(answer):
                raise UpstreamBroken(REPORTED, error=answer)
            record_answer(answer, self.recorded)
            self.note_usage(answer.get("usage") or _usage_in(answer))
            says_something = self._says_something(answer["choices"])
        except MALFORMED as error:
            raise UpstreamBroken("The answer is not a chat completion.", is_empty=not self.body().strip()) from error
        if not says_something:
            raise UpstreamBroken(NOTHING_SAID, is_empty=True)
        self.has_content = self.has_events = True

    def _read(self) -> Any:
        """The answer. If only lenient clients can read it, the body becomes one that all can."""
        self._body = b"".join(self._parts).removeprefix(BYTE_ORDER_MARK)
        try:
            return orjson.loads(self._body)
        except orjson.JSONDecodeError:
            self._body = dumps(loads(self._body))
            return orjson.loads(self._body)

    def _says_something(self, choices: Sequence[Mapping[str, Any]]) -> bool:
        if self.recorded.text_bytes or (choices and self.was_billed()):
            return True
        return any(brings_more(choice["message"]) or choice.get("finish_reason") == FILTERED for choice in choices)

    def body(self) -> bytes:
        return b"".join(self._parts) if self._body is None else self._body


def _error_of(data: bytes) -> Mapping[str, Any]:
    """What stands in the place of an event."""
    try:
        payload = loads(data)
    except ValueError:
        payload = None
    return payload if isinstance(payload, dict) else {"message": data.decode(errors="replace")}


def _event_of(payload: Mapping[str, Any]) -> bytes:
    try:
        return b"data: " + dumps(payload)
    except ValueError as error:
        raise UpstreamBroken(UNREADABLE) from error


def _usage_in(answer: Mapping[str, Any]) -> Any:
    return next((usage for choice in answer["choices"] if (usage := usage_beside(choice, answer))), None)
