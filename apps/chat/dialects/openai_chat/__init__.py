"""OpenAI's chat completions, as a dialect."""

from collections.abc import Mapping, Sequence
from typing import Any

from apps.chat.dialects.fields import BESIDE, Field
from apps.chat.dialects.openai_chat import answer as reading
from apps.chat.dialects.openai_chat import notes
from apps.chat.dialects.openai_chat.fields import answer_fields, request_fields
from apps.chat.dialects.openai_chat.last_line import last_line
from apps.chat.dialects.openai_chat.request import parse, upstream_body
from apps.chat.dialects.openai_chat.stream import ChatStreamEditor, without_logprobs
from apps.chat.dialects.openai_chat.text import messages_of, place_of
from apps.chat.dialects.protocol import Dialect
from apps.common.errors import GatewayError


class OpenAIChat:
    name = "openai_chat"
    prompt_param = "messages"
    end_mark = reading.DONE

    parse = staticmethod(parse)
    messages = staticmethod(messages_of)
    fields = staticmethod(request_fields)
    upstream_body = staticmethod(upstream_body)

    stream_reader = reading.StreamReader
    plain_reader = reading.PlainReader
    stream_editor = ChatStreamEditor
    last_line = staticmethod(last_line)
    answer_fields = staticmethod(answer_fields)
    record = staticmethod(notes.record)
    record_answer = staticmethod(notes.record_answer)

    def place(self, body: Mapping[str, Any], field: Field) -> int | None:
        if field.message == BESIDE or field.is_fixed:
            return None
        return place_of(body["messages"][field.message], field.path[2:])

    def answer_place(self, answer: Mapping[str, Any], field: Field) -> int | None:
        if field.message == BESIDE or field.path[2:3] != ("message",):
            return None
        message = answer["choices"][field.path[1]]["message"]
        return place_of(message, field.path[3:], is_answer=True)

    def without_copies(self, answer: dict[str, Any], changed: Sequence[Field]) -> dict[str, Any]:
        positions = {field.path[1] for field in changed if field.message != BESIDE}
        return without_logprobs(answer, positions) if positions else answer

    def error_body(self, error: GatewayError, *, request_id: str) -> bytes:
        return error.json(request_id=request_id)

    def error_event(self, error: GatewayError, *, request_id: str) -> bytes:
        return b"data: " + self.error_body(error, request_id=request_id) + b"\n\n"


OPENAI_CHAT: Dialect = OpenAIChat()
