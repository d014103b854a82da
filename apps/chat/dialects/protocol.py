"""What a student's format has to answer, so that nothing outside this package knows the shape of one.

Rules, record, meter and the guard of streams work on what a dialect gives them. There is no internal representation:
a body stays the JSON that the student or the provider sent, so that unknown fields pass both ways.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from apps.chat.dialects.fields import Field
from apps.chat.dialects.recorded import RecordedText
from apps.common.errors import GatewayError
from apps.conversations.history import Message
from apps.quotas.weights import Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedRequest:
    """What a request asks for. `body` is the JSON as it was parsed and must not be changed.

    `size` is its bytes without the data of images, sound and files, for which `media_tokens` stand. `max_output` caps
    each of its `choices`, if the student did.
    """

    model: str
    body: dict[str, Any]
    size: int
    messages: tuple[Message, ...]
    is_stream: bool
    wants_usage: bool
    max_output: int | None
    choices: int = 1
    media_tokens: int = 0


class AnswerReader(Protocol):
    """Reads an answer on the side while its bytes pass."""

    recorded: RecordedText
    usage: Tokens | None
    is_done: bool  # the mark at the end of a stream has come

    @property
    def is_usage_final(self) -> bool:
        """Whether the usage covers all of the text. A report in the middle tells only of what came before it."""
        ...

    def feed(self, chunk: bytes) -> bytes:
        """Take bytes in any cut; give back whole events to relay, of a plain answer nothing. Raises UpstreamBroken."""
        ...

    def end(self) -> None:
        """The provider has closed the answer. Raises UpstreamBroken if it was not complete."""
        ...

    def body(self) -> bytes | None:
        """A plain answer as it came; None of a stream, whose bytes have passed."""
        ...


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of a text that comes bit by bit: the choice that it belongs to, and which of its texts it continues."""

    choice: int
    channel: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What an event brings to one choice, or beside them all.

    `deltas` are held back as far as rules need. `pieces` belong to what no client can use before it is whole, such as
    a tool call, each under the key of its whole. `rest` is all else that may hold text, looked at as it comes.
    """

    choice: int
    deltas: Sequence[Delta] = ()
    pieces: Sequence[tuple[int, Mapping[str, Any]]] = ()
    rest: Mapping[str, Any] = field(default_factory=dict)
    is_end: bool = False  # nothing of this choice comes after it


class AnswerEvent(Protocol):
    """An event of a stream, taken apart. One that `waits` must not overtake text that is held back."""

    parts: Sequence[Part]
    waits: bool

    def rebuilt(self, parts: Sequence[Part]) -> bytes | None:
        """The event with what is left of its parts, without their pieces; None if nothing is left to send."""
        ...


class StreamEditor(Protocol):
    """Takes the events of one stream apart for the guard, and makes events of its own.

    `channels` are all that deltas may name, in the order in which they are let go at the end of a choice.
    """

    channels: Sequence[str]

    def may_end(self, block: bytes) -> bool:
        """Whether a choice may end within these events. A glance: it may say yes wrongly, never no."""
        ...

    def taken(self, event: bytes) -> AnswerEvent | None:
        """An event without its blank line; None if it holds no data, as a comment."""
        ...

    def text_event(self, choice: int, texts: Mapping[str, str]) -> bytes:
        """An event that continues these channels of a choice."""
        ...

    def whole(self, choice: int, key: int, pieces: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """What pieces with one key come to, in the form of an answer with nothing else in it."""
        ...

    def whole_event(self, answer: Mapping[str, Any]) -> bytes:
        """The event that brings such an answer."""
        ...


class Dialect(Protocol):
    """A student's format. `end_mark` is the last event of a stream, which the gateway sends itself."""

    end_mark: bytes

    # Requests

    def parse(self, raw: bytes) -> ParsedRequest:
        """Raises InvalidRequest with the place of what is wrong."""
        ...

    def messages(self, body: Mapping[str, Any]) -> tuple[Message, ...]:
        """The messages of a request as they are recorded and recognised."""
        ...

    def fields(self, body: Mapping[str, Any]) -> list[Field]:
        """All texts that a model may get to read, known field or not; those of later messages come later."""
        ...

    def place(self, body: Mapping[str, Any], field: Field) -> int | None:
        """Where a field begins in the recorded text of its message; None if it is not shown there."""
        ...

    def upstream_body(
        self,
        body: dict[str, Any],
        *,
        model: str,
        output: int,
        output_cap: str,
        is_stream: bool,
        guidance: tuple[str, ...],
    ) -> dict[str, Any]:
        """The body that leaves for a provider: model, output cap and stream options replaced, guidance added."""
        ...

    # Answers

    def stream_reader(self, *, wants_usage: bool) -> AnswerReader: ...
    def plain_reader(self) -> AnswerReader: ...
    def stream_editor(self) -> StreamEditor: ...

    def answer_fields(self, answer: Mapping[str, Any]) -> list[Field]:
        """All texts of an answer, or of the rest of an event, but for names that the protocol or the provider gives."""
        ...

    def answer_place(self, answer: Mapping[str, Any], field: Field) -> int | None:
        """Where a field begins in the recorded text of its choice; None if it is not recorded."""
        ...

    def without_copies(self, answer: dict[str, Any], changed: Sequence[Field]) -> dict[str, Any]:
        """The answer without what repeats the words of changed fields elsewhere, such as log-probabilities."""
        ...

    def record(self, delta: Delta, recorded: RecordedText) -> None:
        """Record a piece of text that goes out."""
        ...

    def record_answer(self, answer: Mapping[str, Any], recorded: RecordedText) -> None:
        """Record an answer that goes out whole."""
        ...

    # Failures

    def error_body(self, error: GatewayError, *, request_id: str) -> bytes: ...
    def error_event(self, error: GatewayError, *, request_id: str) -> bytes: ...
