"""Every text that a chat completion request or its answer carries, and where it stands. Pure.

Whatever is a string in a request is a field, known or not, for a model may get to read it: so are the names of
properties that no protocol has given. Left out are what names a kind of thing ("type", "role"), the model, and media
where they may stand.
"""

import re
from collections.abc import Hashable, Mapping
from typing import Any

from apps.chat.dialects.fields import BESIDE, Field, Found, attached_text, is_base64, is_data_url, strings
from apps.chat.dialects.openai_chat.choices import index_of

_KIND = re.compile(r"[a-z][a-z0-9_.-]{0,59}")
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
# What in an answer is not the model's words but ties it together; and what repeats words, which goes with a cut.
_LABEL_NAMES = """
    id object model system_fingerprint service_tier role type finish_reason native_finish_reason provider tool_call_id
    logprobs
"""
LABELS = frozenset(_LABEL_NAMES.split())


def request_fields(body: Mapping[str, Any]) -> list[Field]:
    """All texts of a request; those of later messages come later."""
    found: list[Field] = []
    for key, value in body.items():
        if key not in ("model", "messages"):
            found += _beside(key, value)
            if key not in _GIVEN:
                found.append(Field(BESIDE, (key,), key, is_fixed=True))
    for position, message in enumerate(body["messages"]):
        content, speaker = message.get("content"), _speaker(message["role"], position)
        if isinstance(content, str) and len(message) == 2:
            found.append(Field(position, ("messages", position, "content"), content, speaker))
        else:
            for one in strings(message, ("messages", position), names=_GIVEN):
                found += _in_message(one, position, speaker)
    return found


def _speaker(role: str, position: int) -> Hashable:
    """The user over several messages; anybody else message by message."""
    return role if role == "user" else (role, position)


def _beside(key: str, value: Any) -> list[Field]:
    found: list[Field] = []
    for one in strings(value, (key,), names=_GIVEN):
        if one.is_name:
            found.append(Field(BESIDE, one.path, one.text, is_fixed=True))
        elif one.path[-1] not in ("type", "role") or one.text not in _GIVEN_KINDS:
            found += [_field(one, BESIDE), *_attached(one, BESIDE)]
    return found


def _in_message(one: Found, position: int, speaker: Hashable) -> list[Field]:
    if one.is_name:
        return [Field(position, one.path, one.text, is_fixed=True)]
    if one.path[-1] in ("type", "role") and _KIND.fullmatch(one.text) is not None:
        return []
    found = _attached(one, position)
    if not _is_media(one):
        found.insert(0, _field(one, position, speaker if one.path[2] == "content" else None))
    return found


def _field(one: Found, message: int, speaker: Hashable = None) -> Field:
    return Field(message, one.path, one.text, speaker, is_json=_is_read_as_json(one))


def _attached(one: Found, message: int) -> list[Field]:
    """The text of a file in the field, if there is one."""
    if not _is_file(one):
        return []
    text = attached_text(one.text, default_type="audio" if one.path[-1] == "data" else "")
    return [Field(message, one.path, text, is_fixed=True)] if text else []


def answer_fields(answer: Mapping[str, Any]) -> list[Field]:
    """All texts of an answer, or of what is left of an event."""
    choices = answer.get("choices")
    return [_answer_field(one, choices) for one in strings(answer, labels=LABELS) if not _is_media(one)]


def _answer_field(one: Found, choices: Any) -> Field:
    """Parts of the content of one message read as one text."""
    path = one.path
    if path[0] != "choices" or len(path) < 2 or not isinstance(path[1], int):
        return _field(one, BESIDE)
    choice = index_of(choices[path[1]])
    return _field(one, choice, path[1] if path[3:4] == ("content",) else None)


def _is_read_as_json(one: Found) -> bool:
    return one.path[-1] in _JSON or (one.text[0] in "{[" and "\\" in one.text)


def _is_media(one: Found) -> bool:
    """Whether this is a file, where no model would read its letters as words."""
    return one.path[-1] in _ADDRESSES and _is_file(one)


def _is_file(one: Found) -> bool:
    """Whether this has the form of a file in letters, which words can have as well."""
    if one.text.startswith("data:"):
        return is_data_url(one.text)
    return one.path[-2:] in _MEDIA and is_base64(one.text)
