"""The interface of a dialect. Nothing outside this package knows the shape of a format.

Rules, records, meters and guards of streams work on what a dialect gives them. There is no internal representation: a
body stays the JSON that the student or the provider sent, so that unknown fields pass both ways.
"""

import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from apps.chat.dialects.fields import Field
from apps.chat.dialects.recorded import RecordedText
from apps.common.errors import GatewayError
from apps.conversations.history import Message
from apps.quotas.weights import Tokens

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class ParsedRequest(NamedTuple):
    """What a request asks for. `body` is the parsed JSON and must not be changed.

    `size` is its bytes without the data of images, sound and files, which are `media_bytes`, estimated as
    `media_tokens`. `max_output` caps each of its `choices`, if the student set a limit.
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
    media_bytes: int = 0


class AnswerReader(Protocol):
    """Reads an answer while its bytes pass."""

    recorded: RecordedText
    usage: Tokens | None
    is_done: bool  # the end mark of a stream has arrived
    has_events: bool  # an event has come that is neither a comment nor an error

    @property
    def doubt(self) -> str:
        """Why the reported usage is not believed, for the operator. Empty if it is."""
        ...

    @property
    def has_content(self) -> bool:
        """Whether the answer has begun: text, a tool call, thoughts or a refusal. A plain one, once `end` accepts it.

        A model may also say nothing at all: that counts if it was filtered, or finished and tokens were billed.
        """
        ...

    @property
    def is_usage_final(self) -> bool:
        """Whether the usage covers all of the text. A report in the middle covers only what came before it."""
        ...

    def feed(self, chunk: bytes) -> bytes:
        """Take any chunk; return whole events to relay, and nothing of a plain answer. Raises UpstreamBroken."""
        ...

    def end(self) -> None:
        """The provider has closed the answer. Raises UpstreamBroken if it is incomplete, or says nothing."""
        ...

    def body(self) -> bytes | None:
        """A plain answer as it came. None for a stream, whose bytes have passed."""
        ...


class Delta(NamedTuple):
    """A piece of a text that is streamed: its choice, and which of the choice's texts it continues."""

    choice: int
    channel: str
    text: str


class EventPart(NamedTuple):
    """What an event brings to one choice, or outside of all choices.

    `deltas` are held back as far as rules need. `pieces` belong to what no client can use before it is complete, such
    as a tool call, each under the key of the whole. `rest` is all else that may hold text, checked as it comes.
    """

    choice: int
    deltas: Sequence[Delta] = ()
    pieces: Sequence[tuple[int, Mapping[str, Any]]] = ()
    rest: Mapping[str, Any] = _NOTHING
    is_end: bool = False  # the choice ends with this part


class AnswerEvent(Protocol):
    """An event of a stream, taken apart. One that `waits` must not overtake text that is held back."""

    parts: Sequence[EventPart]
    waits: bool

    def rebuilt(self, parts: Sequence[EventPart]) -> bytes | None:
        """The event with what is left of its parts, without their pieces. None if nothing is left to send."""
        ...


class StreamEditor(Protocol):
    """Takes the events of one stream apart for the guard, and makes new ones.

    `channels` are all that deltas may name, in the order in which they are released at the end of a choice.
    """

    channels: Sequence[str]

    def may_end(self, block: bytes) -> bool:
        """Whether a choice may end within these events. A quick check: it may wrongly say yes, but never no."""
        ...

    def taken(self, event: bytes) -> AnswerEvent | None:
        """Take an event apart, which comes without its blank line. None if it has no data, like a comment."""
        ...

    def text_event(self, choice: int, texts: Mapping[str, str]) -> bytes:
        """An event that continues these channels of a choice."""
        ...

    def whole(self, choice: int, key: int, pieces: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """What pieces with one key amount to, in the form of an answer with nothing else in it."""
        ...

    def whole_event(self, answer: Mapping[str, Any]) -> bytes:
        """The event that carries such an answer."""
        ...


class LastLine(Protocol):
    """A line of the gateway's below an answer. It is added only if the answer ends as plain text does."""

    text: str
    is_added: bool

    def into(self, block: bytes) -> bytes:
        """Whole events of a stream, with the line where the text ends."""
        ...

    def into_body(self, body: bytes) -> bytes:
        """A plain answer with the line below its text."""
        ...


class Dialect(Protocol):
    """A format of the student API. `end_mark` is the last event of a stream, which the gateway sends itself.

    `prompt_param` is the field of a request that an error names when rules refuse the prompt.
    """

    name: str
    prompt_param: str
    end_mark: bytes

    # Requests

    def parse(self, raw: bytes) -> ParsedRequest:
        """Parse a request. Raises InvalidRequest, which says where the request is wrong."""
        ...

    def messages(self, body: Mapping[str, Any]) -> tuple[Message, ...]:
        """The messages of a request as they are recorded and recognised."""
        ...

    def fields(self, body: Mapping[str, Any], *, most: int = sys.maxsize) -> list[Field]:
        """All texts that a model may read, in known fields or not. Those of later messages come later.

        The text of a file may end after `most` characters: it has more then.
        """
        ...

    def place(self, body: Mapping[str, Any], field: Field) -> int | None:
        """The offset of a field in the recorded text of its message. None if it is not shown there."""
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
        adds_cap: bool = True,
        asks_for_usage: bool = True,
        pseudonym: str = "",
    ) -> dict[str, Any]:
        """The body for a provider: model, output cap, stream options and identity replaced, guidance added.

        A cap of the client's always leaves, under the provider's name; `adds_cap` sends one even if there is none. An
        empty pseudonym tells the provider nothing of who asks.
        """
        ...

    # Answers

    def stream_reader(self, *, wants_usage: bool) -> AnswerReader: ...
    def plain_reader(self) -> AnswerReader: ...
    def stream_editor(self) -> StreamEditor: ...

    def answer_fields(self, answer: Mapping[str, Any]) -> list[Field]:
        """All texts of an answer, or of the rest of an event, except names that protocol or provider give."""
        ...

    def answer_place(self, answer: Mapping[str, Any], field: Field) -> int | None:
        """The offset of a field in the recorded text of its choice. None if it is not recorded."""
        ...

    def without_copies(self, answer: dict[str, Any], changed: Sequence[Field]) -> dict[str, Any]:
        """The answer without what repeats the words of changed fields, such as log-probabilities."""
        ...

    def record(self, delta: Delta, recorded: RecordedText) -> None:
        """Record a piece of text that is sent."""
        ...

    def record_answer(self, answer: Mapping[str, Any], recorded: RecordedText) -> None:
        """Record an answer that is sent whole."""
        ...

    def last_line(self, body: Mapping[str, Any], text: str) -> LastLine | None:
        """The line for the answer to this request. None if no line may be added to it."""
        ...

    # Failures

    def error_body(self, error: GatewayError, *, request_id: str) -> bytes: ...
    def error_event(self, error: GatewayError, *, request_id: str) -> bytes: ...
