"""The smallest dialect there can be, to prove that nothing else knows the shape of a format.

A request is `{"model", "ask": [{"who", "words"}], "live", "longest"}`, a plain answer `{"said", "deeds", "cost"}`. A
stream has named events: `said` and `aside` bring words, `deed` a piece of something to be done, `full` the end of the
text and its cost, `bye` the end of all.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from apps.chat.dialects.fields import BESIDE, Field, strings
from apps.chat.dialects.protocol import Delta, Dialect, EventPart, ParsedRequest
from apps.chat.dialects.recorded import RecordedText
from apps.common.errors import GatewayError, InvalidRequest
from apps.common.sse import EventSplitter, data_of, joined
from apps.conversations.history import Message
from apps.providers.adapters.protocol import UpstreamBroken
from apps.quotas.weights import Tokens

ROLES = {"pupil": "user", "machine": "assistant", "teacher": "system"}
CHANNELS = ("said", "aside")


def event(name: str, **data: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


class TinyDialect:
    name = "tiny"
    prompt_param = "ask"
    end_mark = event("bye")

    def parse(self, raw: bytes) -> ParsedRequest:
        body = json.loads(raw)
        if not isinstance(body.get("ask"), list):
            raise InvalidRequest("invalid_value", "Say what you 'ask'.", param="ask")
        return ParsedRequest(
            model=body["model"],
            body=body,
            size=len(raw),
            messages=self.messages(body),
            is_stream=body.get("live", False),
            wants_usage=True,
            max_output=body.get("longest"),
        )

    def messages(self, body: Mapping[str, Any]) -> tuple[Message, ...]:
        return tuple(Message(n, ROLES[one["who"]], one["words"]) for n, one in enumerate(body["ask"]))

    def fields(self, body: Mapping[str, Any], *, most: int = 0) -> list[Field]:
        rest = {key: value for key, value in body.items() if key not in ("model", "ask")}
        found = [Field(BESIDE, one.path, one.text) for one in strings(rest)]
        return found + [Field(n, ("ask", n, "words"), one["words"], one["who"]) for n, one in enumerate(body["ask"])]

    def place(self, body: Mapping[str, Any], field: Field) -> int | None:
        return None if field.message == BESIDE else 0

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
        hints = [{"who": "teacher", "words": text} for text in guidance]
        return {
            **body,
            "model": model,
            "longest": min(output, body.get("longest") or output),
            "ask": hints + body["ask"],
        }

    def stream_reader(self, *, wants_usage: bool) -> "TinyReader":
        return TinyReader(is_stream=True)

    def plain_reader(self) -> "TinyReader":
        return TinyReader(is_stream=False)

    def stream_editor(self) -> "TinyEditor":
        return TinyEditor()

    def last_line(self, body: Mapping[str, Any], text: str) -> None:
        return None

    def answer_fields(self, answer: Mapping[str, Any]) -> list[Field]:
        return [Field(BESIDE if one.path[0] == "rest" else 0, one.path, one.text) for one in strings(answer)]

    def answer_place(self, answer: Mapping[str, Any], field: Field) -> int | None:
        return 0 if field.path in (("said",), ("deeds", 0)) else None

    def without_copies(self, answer: dict[str, Any], changed: Sequence[Field]) -> dict[str, Any]:
        return answer

    def record(self, delta: Delta, recorded: RecordedText) -> None:
        recorded.add(0, delta.text)

    def record_answer(self, answer: Mapping[str, Any], recorded: RecordedText) -> None:
        for text in (answer.get("said"), *answer.get("deeds", ())):
            if text:
                recorded.add(0, text)

    def error_body(self, error: GatewayError, *, request_id: str) -> bytes:
        return json.dumps({"oops": error.code}).encode()

    def error_event(self, error: GatewayError, *, request_id: str) -> bytes:
        return event("oops", code=error.code)


class TinyReader:
    def __init__(self, *, is_stream: bool) -> None:
        self.recorded = RecordedText()
        self.usage: Tokens | None = None
        self.doubt = ""
        self.is_done = self.has_content = self.has_events = False
        self._events = EventSplitter(longest=10_000) if is_stream else None
        self._body = b""

    @property
    def is_usage_final(self) -> bool:
        return self.usage is not None

    def feed(self, chunk: bytes) -> bytes:
        if self._events is None:
            self._body += chunk
            return b""
        return joined([one for one in self._events.feed(chunk) if self._keep(one)])

    def _keep(self, raw: bytes) -> bool:
        name, data = _taken(raw)
        if name == "bye":
            self.is_done = True
            return False
        self.has_events = True
        if text := data.get("w"):
            self.has_content = True
            self.recorded.add(0, text)
        self._note_cost(data)
        return True

    def _note_cost(self, data: Mapping[str, Any]) -> None:
        if "cost" in data:
            self.usage = Tokens(input=data["cost"][0], output=data["cost"][1])

    def end(self) -> None:
        if self._events is None:
            answer = json.loads(self._body)
            TINY.record_answer(answer, self.recorded)
            self._note_cost(answer)
            self.has_content = True
        elif not self.is_done:
            raise UpstreamBroken("It never said bye.")

    def body(self) -> bytes | None:
        return self._body if self._events is None else None


class TinyEditor:
    channels: Sequence[str] = CHANNELS

    def may_end(self, block: bytes) -> bool:
        return b"event: full" in block

    def taken(self, event: bytes) -> "TinyEvent":
        return TinyEvent(*_taken(event))

    def text_event(self, choice: int, texts: Mapping[str, str]) -> bytes:
        ((channel, text),) = texts.items()
        return event(channel, w=text).removesuffix(b"\n\n")

    def whole(self, choice: int, key: int, pieces: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return {"deeds": ["".join(piece["w"] for piece in pieces)]}

    def whole_event(self, answer: Mapping[str, Any]) -> bytes:
        return event("deed", w=answer["deeds"][0]).removesuffix(b"\n\n")


class TinyEvent:
    waits = False

    def __init__(self, name: str, data: dict[str, Any]) -> None:
        self._name, self._data = name, data
        rest = {key: value for key, value in data.items() if key != "w"}
        is_text, text = name in CHANNELS, data.get("w", "")
        self.parts: Sequence[EventPart] = [
            EventPart(
                choice=0,
                deltas=[Delta(0, name, text)] if is_text else [],
                pieces=[(0, data)] if name == "deed" else [],
                rest={"rest": rest} if rest else {},
                is_end=name == "full",
            )
        ]

    def rebuilt(self, parts: Sequence[EventPart]) -> bytes | None:
        (part,) = parts
        left = {**part.rest.get("rest", {})}
        for delta in part.deltas:
            left["w"] = delta.text
        return event(self._name, **left).removesuffix(b"\n\n") if left else None


def _taken(raw: bytes) -> tuple[str, dict[str, Any]]:
    name = raw.partition(b"\n")[0].removeprefix(b"event: ").decode()
    return name, json.loads(data_of(raw) or b"{}")


TINY: Dialect = TinyDialect()
