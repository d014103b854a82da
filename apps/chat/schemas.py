"""The shape of chat requests, as far as rules, quota and routing depend on it. Everything else passes through."""

from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import ConfigDict, Field, TypeAdapter
from typing_extensions import NotRequired, TypedDict  # noqa: UP035  # pydantic needs these before Python 3.12

_LOOSE = ConfigDict(extra="allow", strict=True)
PositiveInt = Annotated[int, Field(ge=1, le=2**31 - 1)]


class Part(TypedDict):
    """One part of a message: text, an image, a file. Only its text is looked at."""

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
    content: NotRequired[str | list[Part] | None]
    refusal: NotRequired[str | None]
    reasoning_content: NotRequired[str | None]
    tool_calls: NotRequired[list[ToolCall] | None]
    function_call: NotRequired[Function | None]


class StreamOptions(TypedDict):
    __pydantic_config__ = _LOOSE  # type: ignore[misc]
    include_usage: NotRequired[bool | None]


class ChatBody(TypedDict):
    """A chat completion request, as OpenAI's clients send it."""

    __pydantic_config__ = _LOOSE  # type: ignore[misc]
    model: Annotated[str, Field(min_length=1, max_length=200)]
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=10_000)]
    stream: NotRequired[bool | None]
    stream_options: NotRequired[StreamOptions | None]
    max_tokens: NotRequired[PositiveInt | None]
    max_completion_tokens: NotRequired[PositiveInt | None]
    n: NotRequired[Annotated[int, Field(ge=1, le=128)] | None]


CHAT_BODY: TypeAdapter[ChatBody] = TypeAdapter(ChatBody)


class UsageWeek(Schema):
    """The current week. Instants are in UTC; `resets_at_local` is the same reset on the course's own clock."""

    starts_at: str
    ends_at: str
    resets_at: str
    resets_at_local: str
    timezone: str


class AccountUsage(Schema):
    """One allowance that calls draw on. A limit of null is unlimited."""

    kind: str
    limit: int | None
    remaining: int | None


class UsageOut(Schema):
    """A student's week, in weighted tokens. `remaining` is what can still be reserved, over all accounts."""

    course: str
    week: UsageWeek
    limit: int
    used: int
    held: int
    remaining: int
    warning: bool = Field(description="True from 80 percent of the allowance.")
    accounts: list[AccountUsage]


class AppealIn(Schema):
    """Against a refusal, or a redaction, of a request of one's own."""

    request_id: str = Field(max_length=32, description="Of the refused request, as its error body and headers name it.")
    reason: str = Field(min_length=1, max_length=1000, description="Why this is fine; the instructor reads it.")


class AppealOut(Schema):
    """An appeal, and what became of it."""

    request_id: str
    reason: str
    state: Literal["open", "accepted", "declined"]
    answer: str = Field(description="What the instructor says; empty while the appeal is open.")
    created_at: str
    decided_at: str | None


class AppealsOut(Schema):
    object: Literal["list"] = "list"
    data: list[AppealOut] = Field(description="Newest first, at most 100.")


class ErrorBody(Schema):
    message: str = Field(description="A sentence that says what happened and what to do.")
    type: str = Field(description="The kind of error, in OpenAI's words.")
    param: str | None = Field(description="The part of the request that is wrong, if it is one part.")
    code: str = Field(description="What happened, as a word for programs. It stays the same when the sentence changes.")
    request_id: str = Field(description="Names this request in every log and to staff.")
    fixed_by: Literal["you", "instructor", "operator"] = Field(description="Who can do something about it.")
    charged: int = Field(description="Weighted tokens that it cost all the same.")


class ErrorOut(Schema):
    """What every refusal looks like."""

    error: ErrorBody


class ModelOut(Schema):
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "stoa"
    context_window: int | None
    max_output_tokens: int


class ModelsOut(Schema):
    object: Literal["list"] = "list"
    data: list[ModelOut]


# Read by hand, as every body of the data plane is: an error has the one shape.
APPEAL_IN_OPENAPI: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": AppealIn.model_json_schema()}}}
}

CHAT_SCHEMA: dict[str, Any] = CHAT_BODY.json_schema(ref_template="#/components/schemas/{model}")
CHAT_PARTS: dict[str, Any] = CHAT_SCHEMA.pop("$defs", {})  # what the schema refers to

# Chat completions in the OpenAPI document; the pipeline validates the body, after the cheaper refusals.
CHAT_IN_OPENAPI: dict[str, Any] = {
    "parameters": [
        {
            "name": "X-Assignment",
            "in": "header",
            "description": "What the call is for: the tag of an assignment, as the course's rules name it.",
            "schema": {"type": "string", "maxLength": 60},
        }
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
