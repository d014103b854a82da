"""The schema of a chat completion request, as far as rules, quota and routing depend on it.

The rest of a request passes through.
"""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, FailFast, Field, TypeAdapter
from typing_extensions import NotRequired, TypedDict  # noqa: UP035  # pydantic needs these before Python 3.12

_LOOSE = ConfigDict(extra="allow", strict=True)


class _First(FailFast):
    """Stop at the first mistake in a list: collecting a million of them takes half a minute."""

    __hash__ = object.__hash__  # members of a union must be hashable


FIRST = _First()


PositiveInt = Annotated[int, Field(ge=1, le=2**31 - 1)]


class Part(TypedDict):
    """One part of a message: text, an image, a file."""

    __pydantic_config__ = _LOOSE  # type: ignore[misc]
    type: Annotated[str, Field(max_length=60)]
    text: NotRequired[str | None]


class Function(TypedDict):
    __pydantic_config__ = _LOOSE  # type: ignore[misc]
    name: NotRequired[str | None]
    arguments: NotRequired[str | None]


class CustomTool(TypedDict):
    __pydantic_config__ = _LOOSE  # type: ignore[misc]
    name: NotRequired[str | None]
    input: NotRequired[str | None]


class ToolCall(TypedDict):
    __pydantic_config__ = _LOOSE  # type: ignore[misc]
    function: NotRequired[Function | None]
    custom: NotRequired[CustomTool | None]


class ChatMessage(TypedDict):
    __pydantic_config__ = _LOOSE  # type: ignore[misc]
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: NotRequired[str | Annotated[list[Part], FIRST] | None]
    refusal: NotRequired[str | None]
    reasoning_content: NotRequired[str | None]
    tool_calls: NotRequired[Annotated[list[ToolCall], FIRST] | None]
    function_call: NotRequired[Function | None]


class StreamOptions(TypedDict):
    __pydantic_config__ = _LOOSE  # type: ignore[misc]
    include_usage: NotRequired[bool | None]


class ChatBody(TypedDict):
    """A chat completion request, as OpenAI's clients send it."""

    __pydantic_config__ = _LOOSE  # type: ignore[misc]
    model: Annotated[str, Field(min_length=1, max_length=200)]
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=10_000), FIRST]
    stream: NotRequired[bool | None]
    stream_options: NotRequired[StreamOptions | None]
    max_tokens: NotRequired[PositiveInt | None]
    max_completion_tokens: NotRequired[PositiveInt | None]
    n: NotRequired[Annotated[int, Field(ge=1, le=128)] | None]


CHAT_BODY: TypeAdapter[ChatBody] = TypeAdapter(ChatBody)


CHAT_SCHEMA: dict[str, Any] = CHAT_BODY.json_schema(ref_template="#/components/schemas/{model}")


CHAT_PARTS: dict[str, Any] = CHAT_SCHEMA.pop("$defs", {})  # the definitions that the schema refers to


# Chat completions in the OpenAPI document; the pipeline validates the body, after the cheaper refusals.
CHAT_IN_OPENAPI: dict[str, Any] = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "A name of your own for this request. Sent again within a day, it is not carried out again: "
            "the answer is the first one's, and costs nothing.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
        },
        {
            "name": "X-Assignment",
            "in": "header",
            "description": "What the call is for: the tag of an assignment, as the course's rules name it.",
            "schema": {"type": "string", "maxLength": 60},
        },
    ],
    "requestBody": {"required": True, "content": {"application/json": {"schema": CHAT_SCHEMA}}},
    "responses": {
        200: {
            "description": "A chat completion as the provider gave it, or its chunks as server-sent events.",
            "headers": {
                "x-gateway-rules": {
                    "description": "Ids of the course's rules that were found and that students are told about.",
                    "schema": {"type": "string"},
                },
                "x-gateway-notice": {
                    "description": "What they have to say, percent-encoded UTF-8.",
                    "schema": {"type": "string"},
                },
            },
            "content": {"application/json": {}, "text/event-stream": {}},
        }
    },
}
