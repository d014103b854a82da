"""Metering: what an answer is, read on the side while its bytes pass.

`StreamMeter` takes the bytes of server-sent events as they come and gives back the bytes to relay. Events are taken
apart by the rules of the event stream format (CR, LF or CRLF, several data lines, cuts at any byte); complete events
are relayed as they were, those that are no valid JSON are dropped, since clients would choke on them.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, TypeGuard

import orjson

from apps.chat.dialects.openai_chat.text import Path
from apps.common.sse import data_of, joined
from apps.providers.adapters import UpstreamBroken
from apps.quotas.weights import Tokens

MAX_EVENT = 8 * 2**20
MAX_ANSWER = 64 * 2**20
BETWEEN_CHOICES = "\n\n"
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


def index_of(choice: dict[str, Any]) -> int:
    """Which of several answers a piece belongs to; what is no such number is the first, so that no text is lost."""
    index = choice.get("index")
    return index if isinstance(index, int) and index >= 0 else 0


class AnswerText:
    """The text of an answer so far, of each of its choices, as it is recorded."""

    def __init__(self) -> None:
        self.texts: dict[int, list[str]] = defaultdict(list)
        self._said: list[str] = []
        self.text_bytes = 0

    def text(self) -> str:
        """The answer as people read it; several choices one below the other."""
        return "".join(self.pieces())

    def pieces(self) -> list[str]:
        """That text in pieces. Those of the first choice stay where they are when others begin."""
        made: list[str] = []
        for number, index in enumerate(sorted(self.texts)):
            made += [BETWEEN_CHOICES, *self.texts[index]] if number else self.texts[index]
        return made

    def said(self) -> str:
        """What the first choice will be recognised by when the client sends it again: its content and tool calls."""
        return "".join(self._said)

    def note(self, index: int, message: Any) -> None:
        """Take down what a message, or a piece of one, adds to a choice."""
        for _, text, said in runs(message):
            self._add(index, text, said)

    def _add(self, index: int, text: Any, said: Any = None) -> None:
        if isinstance(text, str):
            if index == 0:
                self._said.append(text if said is None else str(said))
            self.texts[index].append(text)
            self.text_bytes += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def runs(message: Any) -> Iterator[tuple[Path, Any, Any]]:
    """What is recorded of a message: its place in it, the text, and what of that comes back as history if not all."""
    if text := message.get("content"):
        yield ("content",), text, None
    for key in ("refusal", "reasoning_content" if message.get("reasoning_content") else "reasoning"):
        if text := message.get(key):
            yield (key,), text, ""
    for number, call in enumerate(message.get("tool_calls") or ()):
        for kind, given in (("function", "arguments"), ("custom", "input")):
            called = call.get(kind) or {}
            if name := called.get("name"):
                yield ("tool_calls", number, kind, "name"), f"[{name}] ", name
            if text := called.get(given):
                yield ("tool_calls", number, kind, given), text, None
    if called := message.get("function_call"):
        yield ("function_call", "name"), f"[{called.get('name') or ''}] " if called.get("name") else "", ""
        yield ("function_call", "arguments"), called.get("arguments"), ""


def place_of(message: Any, path: Path) -> int | None:
    """Where in what is recorded of a message stands what the message holds at a path; None if it is not recorded."""
    place = 0
    for where, text, _ in runs(message):
        if where == path:
            return place + (path[-1] == "name")
        place += len(text) if isinstance(text, str) else 0
    return None


class _Answer(AnswerText):
    """What is known of an answer so far."""

    def __init__(self) -> None:
        super().__init__()
        self.usage: Tokens | None = None
        self._counted_bytes = 0  # of the text, when usage was reported
        self.is_finished = False
        self.is_done = False  # the last event of a stream has been seen

    @property
    def is_usage_final(self) -> bool:
        """Whether the usage covers all of the text. What came in the middle tells of what came before it only."""
        return self.usage is not None and self._counted_bytes == self.text_bytes

    def _note_usage(self, usage: Tokens | None) -> None:
        """The last report that makes sense counts."""
        if usage is not None:
            self.usage, self._counted_bytes = usage, self.text_bytes


class StreamMeter(_Answer):
    """Reads a stream. `wants_usage`: whether the client asked for the usage event, which we always ask for."""

    def __init__(self, *, wants_usage: bool) -> None:
        super().__init__()
        self._wants_usage = wants_usage
        self._rest: list[bytes] = []  # of an event that is not whole yet
        self._rest_size = 0
        self._last = b""
        self._is_after_cr = False
        self._size = 0
        self.dropped = 0

    def feed(self, chunk: bytes) -> bytes:
        """Take bytes in any cut; give back complete events to relay. Raises UpstreamBroken."""
        self._size += len(chunk)
        if self._size > MAX_ANSWER:
            raise UpstreamBroken(f"The answer is longer than {MAX_ANSWER} bytes.")
        kept: list[bytes] = []
        try:
            for event in self._split(chunk):
                if not self.is_done and self._keep(event):
                    kept.append(event)
        except UpstreamBroken as error:
            error.kept = joined(kept)
            raise
        return joined(kept)

    def _split(self, chunk: bytes) -> list[bytes]:
        """The events that this chunk makes whole. Pieces are joined only then: a long event may come in many."""
        if not self._rest and not self._is_after_cr and chunk.endswith(b"\n\n") and b"\r" not in chunk:
            return chunk[:-2].split(b"\n\n")  # as nearly all chunks come
        piece = self._with_one_line_end(chunk)
        is_end_in = b"\n\n" in self._last + piece
        self._rest.append(piece)
        self._rest_size += len(piece)
        self._last = piece[-1:] or self._last
        if not is_end_in:
            if self._rest_size > MAX_EVENT:
                raise UpstreamBroken(f"An event is longer than {MAX_EVENT} bytes.")
            return []
        whole, _, rest = b"".join(self._rest).rpartition(b"\n\n")
        self._rest, self._rest_size, self._last = [rest] if rest else [], len(rest), rest[-1:]
        return whole.split(b"\n\n")

    def _with_one_line_end(self, chunk: bytes) -> bytes:
        """The chunk with LF for CR and CRLF. A CR at its end counts at once, and a LF that follows it never."""
        piece = chunk[1:] if self._is_after_cr and chunk.startswith(b"\n") else chunk
        if chunk:
            self._is_after_cr = chunk.endswith(b"\r")
        return piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in piece else piece

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

    def _note_delta(self, index: int, delta: Any) -> None:
        text = delta.get("content")
        if text and len(delta) == 1:
            self._add(index, text)
        else:
            self.note(index, delta)

    def end(self) -> None:
        """The provider closed the stream. Raises UpstreamBroken if it did so before the answer was finished."""
        if not (self.is_done or self.is_finished):
            raise UpstreamBroken("The stream ended without a finish reason.")


class PlainMeter(_Answer):
    """Collects a plain answer."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> bytes:
        """Take bytes; nothing is relayed before the whole answer is there. Raises UpstreamBroken."""
        self._size += len(chunk)
        if self._size > MAX_ANSWER:
            raise UpstreamBroken(f"The answer is longer than {MAX_ANSWER} bytes.")
        self._parts.append(chunk)
        return b""

    def end(self) -> None:
        """Read the answer. Raises UpstreamBroken if it is not a chat completion."""
        try:
            payload = orjson.loads(self.body())
            for choice in payload["choices"]:
                self.note(index_of(choice), choice["message"])
            self._note_usage(read_usage(payload.get("usage")))
        except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
            raise UpstreamBroken("The answer is not a chat completion.") from error
        self.is_finished = True

    def body(self) -> bytes:
        return b"".join(self._parts)


DONE = b"data: [DONE]\n\n"
