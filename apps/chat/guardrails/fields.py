"""Surfaces: every text that a request carries, and where it stands. Pure.

Whatever is a string in a request is a surface, known field or not, for a model may get to read it: so are the names of
properties that no protocol has given. Left out are what names a kind of thing ("type", "role"), the model, and media
where they may stand. Each way of asking has an entry in DIALECTS; tests hold every address and every kind of surface
against it.
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from apps.chat.dialects.openai_chat.text import Path

BESIDE = -1  # the message of what stands beside the messages
_KIND = re.compile(r"[a-z][a-z0-9_.-]{0,59}")
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w.+-]+=[\w.+-]+)*;base64,([A-Za-z0-9+/_=-]*)")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_MEDIA = (("input_audio", "data"), ("file", "file_data"), ("audio", "data"))
_ADDRESSES = ("url", "image_url", "audio_url", "video_url", "file_data", "data")  # that may hold a file themselves
_JSON = ("arguments", "input")

# Names that protocols give to their properties. Any other name is somebody's own words.
_GIVEN_NAMES = """
    model messages role content name type text refusal reasoning_content reasoning tool_calls tool_call_id function
    arguments custom input function_call id index image_url url detail input_audio data format file file_data
    file_id filename audio stream stream_options include_usage max_tokens max_completion_tokens n temperature top_p
    stop seed user metadata tools functions tool_choice parallel_tool_calls response_format json_schema schema
    strict description parameters properties required items enum anyOf allOf oneOf not additionalProperties
    definitions const default examples title pattern minimum maximum minLength maxLength minItems maxItems
    uniqueItems grammar syntax definition prediction modalities voice presence_penalty frequency_penalty logit_bias
    logprobs top_logprobs service_tier store reasoning_effort verbosity web_search_options safety_identifier
    prompt_cache_key cache_control $ref $defs
"""
_GIVEN = frozenset(_GIVEN_NAMES.split())
# Likewise the kinds of what stands beside the messages, where a tool is shown to the model as it is.
_KIND_NAMES = """
    function custom allowed_tools grammar text json_object json_schema content approximate ephemeral
    object array string number integer boolean null
"""
_GIVEN_KINDS = frozenset(_KIND_NAMES.split())


@dataclass(frozen=True, slots=True)
class Surface:
    """A text of a request: the message that it belongs to, or BESIDE, and the path to it in the body.

    `is_json`: whoever gets it reads it as JSON. `is_fixed`: it cannot be changed where it stands.
    """

    message: int
    path: Path
    text: str
    is_json: bool = False
    is_fixed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """A way of asking: how the texts of its requests are found, and the kinds of them that there are to be tested.

    `prompt` are patterns of paths, as in `messages[].content`; `answer` those within the message or delta of a choice.
    """

    surfaces: Callable[[Mapping[str, Any]], list[Surface]]
    prompt: tuple[str, ...]
    answer: tuple[str, ...]


def chat_surfaces(body: Mapping[str, Any]) -> list[Surface]:
    """All texts of a chat completion request; those of later messages come later."""
    found: list[Surface] = []
    for key, value in body.items():
        if key not in ("model", "messages"):
            found += _beneath(value, (key,), BESIDE)
            if key not in _GIVEN:
                found.append(_name(key, (), BESIDE))
    for position, message in enumerate(body["messages"]):
        content = message.get("content")
        if isinstance(content, str) and len(message) == 2:
            found.append(Surface(position, ("messages", position, "content"), content))
        else:
            found += _beneath(message, ("messages", position), position)
    return found


def _beneath(value: Any, path: Path, message: int) -> Iterator[Surface]:
    if isinstance(value, str):
        if value:
            yield from _leaf(value, path, message)
    elif isinstance(value, dict):
        for key, child in value.items():
            if key not in _GIVEN:
                yield _name(key, path, message)
            yield from _beneath(child, (*path, key), message)
    elif isinstance(value, list):
        for number, child in enumerate(value):
            yield from _beneath(child, (*path, number), message)


def _name(key: str, path: Path, message: int) -> Surface:
    return Surface(message, (*path, key), key, is_fixed=True)


def _leaf(value: str, path: Path, message: int) -> Iterator[Surface]:
    if path[-1] in ("type", "role") and _is_kind(value, message):
        return
    if message == BESIDE or not is_media(value, path):
        yield Surface(message, path, value, is_json=is_read_as_json(value, path))
    if _is_file(value, path) and (text := _attached(value, path)):
        yield Surface(message, path, text, is_fixed=True)


def _is_kind(value: str, message: int) -> bool:
    return value in _GIVEN_KINDS if message == BESIDE else _KIND.fullmatch(value) is not None


def is_read_as_json(value: str, path: Path) -> bool:
    return path[-1] in _JSON or (value[0] in "{[" and "\\" in value)


def is_media(value: str, path: Path) -> bool:
    """Whether this is a file, where no model would read its letters as words."""
    return path[-1] in _ADDRESSES and _is_file(value, path)


def _is_file(value: str, path: Path) -> bool:
    """Whether this has the form of a file in letters, which words can have as well."""
    if value.startswith("data:"):
        return _DATA_URL.fullmatch(value) is not None
    return path[-2:] in _MEDIA and _BASE64.fullmatch(value) is not None


def _attached(value: str, path: Path) -> str:
    """The text of an attached file that is one. Pictures, sound and printed documents are not looked into."""
    url = _DATA_URL.fullmatch(value)
    kind, data = (url[1] or "text/plain", url[2]) if url else ("audio" if path[-1] == "data" else "", value)
    if kind.startswith(("image", "audio", "video")) and not kind.endswith("xml"):
        return ""
    try:
        content = b64decode(data.replace("-", "+").replace("_", "/") + "==")
        return content.decode(errors="replace" if kind.startswith("text/") else "strict")
    except (binascii.Error, UnicodeDecodeError):
        return ""


def kind_of(path: Path) -> str:
    """`messages[].content[].text`: a path without its numbers."""
    kind = ""
    for step in path:
        kind += "[]" if isinstance(step, int) else f".{step}" if kind else step
    return kind


DIALECTS: Mapping[str, Dialect] = {
    "/chat/completions": Dialect(
        surfaces=chat_surfaces,
        prompt=(
            "messages[].content",
            "messages[].content[].text",
            "messages[].content[].refusal",
            "messages[].content[].*",
            "messages[].content[].file.file_data",
            "messages[].refusal",
            "messages[].reasoning_content",
            "messages[].name",
            "messages[].tool_call_id",
            "messages[].tool_calls[].function.name",
            "messages[].tool_calls[].function.arguments",
            "messages[].tool_calls[].custom.name",
            "messages[].tool_calls[].custom.input",
            "messages[].function_call.name",
            "messages[].function_call.arguments",
            "messages[].*",
            "tools[].function.name",
            "tools[].function.description",
            "tools[].function.parameters.*",
            "tools[].custom.description",
            "functions[].description",
            "response_format.json_schema.*",
            "prediction.content",
            "metadata.*",
            "user",
            "stop",
            "*",
        ),
        answer=(
            "content",
            "refusal",
            "reasoning_content",
            "tool_calls[].function.name",
            "tool_calls[].function.arguments",
            "tool_calls[].custom.input",
            "function_call.arguments",
            "*",
        ),
    ),
}
