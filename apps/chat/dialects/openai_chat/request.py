"""Parses the bytes of a request, and makes the body for the provider. Pure."""

from typing import Any

from pydantic import ValidationError

from apps.chat.dialects.openai_chat.media import media_of
from apps.chat.dialects.openai_chat.schema import CHAT_BODY
from apps.chat.dialects.openai_chat.text import messages_of
from apps.chat.dialects.protocol import ParsedRequest
from apps.common import json_bodies
from apps.common.errors import InvalidRequest

MAX_PARTS = 10_000


def parse(raw: bytes) -> ParsedRequest:
    """Parse a request. Raises InvalidRequest."""
    body = _decode(raw)
    _check_number(body)
    _check_shape(body)
    caps = [cap for cap in (body.get("max_tokens"), body.get("max_completion_tokens")) if cap is not None]
    is_stream = bool(body.get("stream"))
    media = media_of(body["messages"])
    return ParsedRequest(
        model=body["model"],
        body=body,
        size=len(raw) - media.bytes,
        messages=messages_of(body),
        is_stream=is_stream,
        wants_usage=is_stream and bool((body.get("stream_options") or {}).get("include_usage")),
        max_output=max(caps, default=None),
        choices=body.get("n") or 1,
        media_tokens=media.tokens,
        media_bytes=media.bytes,
    )


def _decode(raw: bytes) -> dict[str, Any]:
    body = json_bodies.loads(raw)
    if not isinstance(body, dict):
        raise InvalidRequest("invalid_json", "The body must be a JSON object with 'model' and 'messages'.")
    return body


def _check_number(body: dict[str, Any]) -> None:
    """Each part costs time of the event loop, and hundreds of thousands of empty ones fit into a body."""
    messages = body.get("messages")
    number = 0
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, dict):
            for parts in (message.get("content"), message.get("tool_calls")):
                number += len(parts) if isinstance(parts, list) else 0
    if number > MAX_PARTS:
        raise InvalidRequest(
            "too_many_parts",
            f"The messages have more than {MAX_PARTS:,} parts together. Join texts that belong together.",
            param="messages",
        )


def _check_shape(body: dict[str, Any]) -> None:
    if body.get("models"):  # OpenRouter would let any of them answer, regardless of price and permission
        raise InvalidRequest(
            "unsupported_parameter",
            "Name one model, in 'model', and leave 'models' out: the course decides which models answer.",
            param="models",
        )
    try:
        CHAT_BODY.validate_python(body)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False, include_input=False)
        # Among the alternatives of a union, the one that fits furthest is the one that was meant.
        wrong = max(errors, key=lambda found: len(found["loc"]))
        param = _path(wrong["loc"])
        sentence = f"'{param}': {wrong['msg'][0].lower()}{wrong['msg'][1:]}."
        code = "missing_required_parameter" if wrong["type"] == "missing" else "invalid_value"
        raise InvalidRequest(
            code, f"The request is wrong at {sentence} Correct it and send it again.", param=param
        ) from None


def _path(location: tuple[int | str, ...]) -> str:
    """A path such as messages[0].content, without the names of alternatives that pydantic adds for unions."""
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step.isidentifier() and step not in ("str", "int", "bool", "none") and not step[:1].isupper():
            path += f".{step}" if path else step
    return path


def with_guidance(messages: list[dict[str, Any]], guidance: tuple[str, ...]) -> list[dict[str, Any]]:
    """The messages with the guidance as system messages after the client's last one, so that it takes precedence."""
    if not guidance:
        return messages
    own = (n + 1 for n, message in enumerate(messages) if message["role"] in ("system", "developer"))
    place = max(own, default=0)
    added = [{"role": "system", "content": text} for text in guidance]
    return [*messages[:place], *added, *messages[place:]]


def upstream_body(
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
    """The student's body with only the model, messages, output cap, stream options and identity replaced."""
    body = {**body, "model": model, "messages": with_guidance(body["messages"], guidance)}
    if "max_tokens" in body or "max_completion_tokens" in body:
        _rename_cap(body, output_cap, output=output, adds_cap=adds_cap)
    elif adds_cap:
        body[output_cap] = output
    if not asks_for_usage:
        body.pop("stream_options", None)
    elif is_stream:
        body["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
    if "user" in body or "safety_identifier" in body or "metadata" in body:
        _disguise(body, pseudonym)
    return body


def _rename_cap(body: dict[str, Any], output_cap: str, *, output: int, adds_cap: bool) -> None:
    """Let one cap leave, the smallest of all, under the provider's name."""
    named = [cap for name in ("max_tokens", "max_completion_tokens") if (cap := body.pop(name, None)) is not None]
    if named or adds_cap:
        body[output_cap] = min([output, *named])


def _disguise(body: dict[str, Any], pseudonym: str) -> None:
    """Replace what says who asks. Metadata can say anything, so they stay here."""
    body.pop("metadata", None)
    for name in ("user", "safety_identifier"):
        if body.pop(name, None) is not None and pseudonym:
            body[name] = pseudonym
