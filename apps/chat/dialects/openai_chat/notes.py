"""What is known of a chat completion while it is read, plain or streamed. Pure."""

from collections.abc import Mapping
from typing import Any

from apps.chat.dialects import reports
from apps.chat.dialects.openai_chat.choices import index_of
from apps.chat.dialects.openai_chat.text import layout
from apps.chat.dialects.openai_chat.usage import read_usage
from apps.chat.dialects.protocol import Delta
from apps.chat.dialects.recorded import RecordedText
from apps.providers.adapters.protocol import AnswerTooLong
from apps.quotas.weights import Tokens

MAX_ANSWER = 64 * 2**20
FILTERED = "content_filter"
NOTHING_SAID = "The answer says nothing."
REPORTED = "The provider reported an error in place of the answer, or of its rest."
UNREADABLE = "An event cannot be read."
MALFORMED = (AttributeError, KeyError, TypeError, ValueError, RecursionError)  # of values of another shape


def record_message(choice: int, message: Mapping[str, Any], recorded: RecordedText) -> None:
    """Record a message of an answer, or a piece of one."""
    for run in layout(message, is_answer=True):
        recorded.add(choice, run.text, run.matched_as)


def record_answer(answer: Mapping[str, Any], recorded: RecordedText) -> None:
    for choice in answer["choices"]:
        record_message(index_of(choice), choice["message"], recorded)


def record(delta: Delta, recorded: RecordedText) -> None:
    recorded.add(delta.choice, delta.text, None if delta.channel == "content" else "")


class AnswerNotes:
    """What is known of an answer so far."""

    def __init__(self) -> None:
        self.recorded = RecordedText()
        self.usage: Tokens | None = None
        self._is_unreadable = False  # whether a report of usage was
        self.is_done = self.has_events = False
        self.has_more = False  # than text: a tool call, sound, or that the provider filtered the answer
        self._size = 0
        self._counted_bytes = 0  # size of the text when usage was reported

    @property
    def is_usage_final(self) -> bool:
        return self.usage is not None and self._counted_bytes == self.recorded.text_bytes

    @property
    def doubt(self) -> str:
        if self.usage is None:
            return "It reports its usage in a form that is not known." if self._is_unreadable else ""
        return reports.doubt_of(self.usage, self.recorded.text_bytes) if self.is_usage_final else ""

    def was_billed(self) -> bool:
        """Whether tokens were produced. A model may spend all of them on thoughts that it does not show."""
        return self.usage is not None and self.usage.output > 0

    def count(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > MAX_ANSWER:
            raise AnswerTooLong(f"The answer is longer than {MAX_ANSWER} bytes.")

    def note_usage(self, reported: Any) -> None:
        """The last report that makes sense counts."""
        usage = read_usage(reported)
        if usage is not None:
            self.usage, self._counted_bytes = usage, self.recorded.text_bytes
        self._is_unreadable |= usage is None and bool(reported)
