"""What the stub is told to do with a request."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """The default is a good provider: it answers with `text`, a word a chunk, one token a word, and reports usage.

    The `*_after` values count chunks of text, so `cut_after=3` sends the role, three words, and cuts.
    """

    text: str = "Hello from the provider stub."
    repeats_prompt: bool = False  # the answer begins with the last message, so that each is known by its own words
    reasoning: str = ""
    tool_calls: Sequence[Mapping[str, Any]] = ()
    usage: Mapping[str, Any] | None = None
    message: Mapping[str, Any] | None = None  # a plain answer's message, instead of one made of the above
    deltas: Sequence[Mapping[str, Any]] | None = None  # a stream's deltas, instead of those
    plain: bytes | None = None  # the whole of a plain answer, word for word
    events: Sequence[Any] | None = None  # all events of a stream: bytes as they are, anything else as data

    # Instead of an answer
    status: int = 200
    headers: Mapping[str, str | Callable[[], str]] = field(default_factory=dict)
    body: bytes | None = None
    reset: bool = False
    close: bool = False  # the connection ends in order, without a byte
    refuses: Sequence[str] = ()  # parameters: a request that has one gets `status` and `body`, any other an answer
    hang_before_first_byte: bool = False
    delay: float = 0.0
    half_body: bool = False  # a plain answer breaks in the middle

    # In the middle of a stream
    chunk_delay: float = 0.0
    usage_delay: float = 0.0  # between the last of the text and the usage
    done_delay: float = 0.0  # between the usage and [DONE]
    pause_after: int | None = None  # until `ProviderStub.go_on`
    cut_after: int | None = None  # the connection breaks
    end_after: int | None = None  # the stream ends as if complete, without finish_reason, usage or [DONE]
    error_after: int | None = None  # an error event, then the end
    malformed_after: int | None = None  # one event that is not JSON, then on

    # In its form
    no_usage: bool = False
    no_done: bool = False
    usage_everywhere: bool = False  # in every chunk
    gzip: bool = False
    until_close: bool = False  # the answer ends with its connection
    line_end: str = "\n"
    comments: bool = False
    split: int | None = None  # write in pieces of so many bytes
