"""Reads the chunks of a streamed chat completion, and gives them the form that clients rely on. Pure."""

from collections.abc import Mapping
from typing import Any

from apps.chat.dialects.fields import strings
from apps.chat.dialects.openai_chat.choices import brings_more, index_of
from apps.chat.dialects.openai_chat.fields import LABELS
from apps.chat.dialects.openai_chat.mending import Calls, with_delta, without_choices
from apps.chat.dialects.openai_chat.notes import FILTERED, MALFORMED, REPORTED, UNREADABLE, AnswerNotes, record_message
from apps.chat.dialects.openai_chat.usage import usage_beside
from apps.common.lenient_json import loads_exactly
from apps.providers.adapters.protocol import UpstreamBroken
from apps.providers.failures import is_error

_FRAME = frozenset(
    ("id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier", "obfuscation")
)


class StreamNotes(AnswerNotes):
    """What is known of a stream. `dropped` counts events that are no chunks and have no words."""

    def __init__(self, *, wants_usage: bool) -> None:
        super().__init__()
        self._wants_usage = wants_usage
        self._calls = Calls()
        self._finished: set[int] = set()
        self.dropped = 0

    @property
    def is_finished(self) -> bool:
        """Whether every choice that has text has come to its end, and at least one has."""
        return bool(self._finished) and self.recorded.choices <= self._finished

    @property
    def has_content(self) -> bool:
        return bool(self.recorded.text_bytes) or self.has_more or (bool(self._finished) and self.was_billed())

    def noted(self, payload: Any, data: bytes) -> Any:
        """Read a chunk. Returns what to relay of it: the payload itself, another form of it, or None.

        Raises UpstreamBroken if it is an error, or has words that cannot be read.
        """
        try:
            choices = payload.get("choices")
            if not choices or payload.get("error"):
                self._note_beside(payload)
                return without_choices(payload, wants_usage=self._wants_usage)
            is_usual = self._note_choices(payload, choices)
            return payload if is_usual else self._mended(loads_exactly(data))
        except MALFORMED as error:
            if is_error(payload):
                raise UpstreamBroken(REPORTED, error=payload) from error
            if _has_words(payload):
                raise UpstreamBroken(UNREADABLE) from error
            self.dropped += 1
            return None

    def _note_choices(self, payload: dict[str, Any], choices: Any) -> bool:
        """Read a chunk. Returns whether it has the form that clients rely on."""
        is_usual = True
        for choice in choices:
            delta = choice.get("delta")
            if delta is None:
                delta, is_usual = choice.get("message"), False
            if delta:
                text = delta.get("content")
                if type(text) is str and text and len(delta) == 1:
                    self.recorded.add(index_of(choice), text)
                elif not self._note_delta(index_of(choice), delta):
                    is_usual = False
            if reason := choice.get("finish_reason"):
                self._note_finish(reason, choice, payload)
        self.has_events = True
        if usage := payload.get("usage"):
            self.note_usage(usage)
            return is_usual and self._wants_usage
        return is_usual

    def _note_beside(self, payload: Any) -> None:
        """Read an event without choices."""
        is_usual = payload.keys() <= _FRAME and payload.get("object") != "error"  # which spares a search for errors
        if not is_usual and is_error(payload):
            raise UpstreamBroken(REPORTED, error=payload)
        self.has_events = True
        if usage := payload.get("usage"):
            self.note_usage(usage)

    def _note_delta(self, choice: int, delta: Any) -> bool:
        """Read a piece of a choice. Returns whether its tool calls have numbers."""
        record_message(choice, delta, self.recorded)
        self.has_more |= brings_more(delta)
        calls = delta.get("tool_calls")
        return not calls or self._calls.are_numbered(choice, calls)

    def _note_finish(self, reason: Any, choice: Mapping[str, Any], payload: Mapping[str, Any]) -> None:
        if (reason == "error" or "error" in choice) and is_error(payload):
            raise UpstreamBroken(REPORTED, error=payload)
        self._finished.add(index_of(choice))
        self.has_more |= reason == FILTERED
        if "usage" in choice or "x_groq" in payload:
            self.note_usage(usage_beside(choice, payload))

    def _mended(self, payload: dict[str, Any]) -> dict[str, Any]:
        hidden = () if self._wants_usage else ("usage",)
        left = {key: value for key, value in payload.items() if key not in hidden}
        choices = [{key: value for key, value in choice.items() if key not in hidden} for choice in payload["choices"]]
        return {**left, "choices": [self._mended_choice(choice) for choice in choices]}

    def _mended_choice(self, choice: dict[str, Any]) -> dict[str, Any]:
        made = choice if choice.get("delta") is not None else with_delta(choice)
        if calls := made["delta"].get("tool_calls"):
            numbered = self._calls.numbered(index_of(choice), calls)
            return {**made, "delta": {**made["delta"], "tool_calls": numbered}}
        return made


def _has_words(payload: Any) -> bool:
    try:
        return bool(strings(payload, labels=LABELS))
    except RecursionError:
        return True
