"""Every text that a chat completion request or its answer carries, and where it is. Pure.

Every string in a request is a field, known or not, because a model may read it. So are the names of properties that no
protocol defines. Excluded are names of kinds ("type", "role"), the model, and media where they are allowed.
"""

import re
import sys
from collections.abc import Hashable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from apps.chat.dialects.encoded_files import DATA_SCHEME, EncodedFile, base64_file, data_url
from apps.chat.dialects.fields import BESIDE, Field, Found, Path, strings
from apps.chat.dialects.openai_chat.choices import index_of

_KIND = re.compile(r"[a-z][a-z0-9_.-]{0,59}")
_SOUND = (("input_audio", "data"), ("audio", "data"))
_ADDRESSES = ("url", "image_url", "audio_url", "video_url", "file_data", "data")  # these may contain a file
_JSON = ("arguments", "input")
_LONG = 2**16
_NO_SOURCES: Mapping[Path, str] = MappingProxyType({})

# Names of properties that protocols define. Any other name is somebody's own words.
_GIVEN_NAMES = """
    model messages role content name type text refusal reasoning_content reasoning tool_calls tool_call_id function
    arguments custom input function_call id index image_url url detail input_audio data format file file_data
    file_id filename audio stream stream_options include_usage max_tokens max_completion_tokens n temperature top_p
    stop seed user metadata tools functions tool_choice parallel_tool_calls response_format json_schema schema
    strict description parameters properties required items enum anyOf allOf oneOf not additionalProperties
    definitions const default examples title pattern minimum maximum minLength maxLength minItems maxItems
    uniqueItems grammar syntax definition prediction modalities voice presence_penalty frequency_penalty logit_bias
    logprobs top_logprobs service_tier store reasoning_effort verbosity web_search_options safety_identifier
    prompt_cache_key cache_control $ref $defs source media_type
"""
_GIVEN = frozenset(_GIVEN_NAMES.split())
# Kinds that protocols define outside of the messages, where a model sees a tool as it is.
_KIND_NAMES = """
    function custom allowed_tools grammar text json_object json_schema content approximate ephemeral
    object array string number integer boolean null
"""
_GIVEN_KINDS = frozenset(_KIND_NAMES.split())
# Keys of an answer that are not the model's words, and one that repeats its words and is removed with them.
_LABEL_NAMES = """
    id object model system_fingerprint service_tier role type finish_reason native_finish_reason provider tool_call_id
    logprobs
"""
LABELS = frozenset(_LABEL_NAMES.split())


def request_fields(body: Mapping[str, Any], *, most: int = sys.maxsize) -> list[Field]:
    """All texts of a request. Those of later messages come later. That of a file ends soon after `most` characters."""
    found: list[Field] = []
    for key, value in body.items():
        if key not in ("model", "messages"):
            if isinstance(value, str | list | dict):  # nothing else has a text
                found += _beside(key, value, most)
            if key not in _GIVEN:
                found.append(Field(BESIDE, (key,), key, is_fixed=True))
    for position, message in enumerate(body["messages"]):
        content, speaker = message.get("content"), _speaker(message["role"], position)
        may_be_more = not isinstance(content, str) or "\\" in content or DATA_SCHEME.match(content)  # JSON, or a file
        if len(message) == 2 and not may_be_more:
            if content:
                found.append(Field(position, ("messages", position, "content"), content, speaker))
        else:
            texts = strings(message, ("messages", position), names=_GIVEN)
            sources = _sources(texts)
            for one in texts:
                found += _in_message(one, position, speaker, sources, most)
    return found


def _sources(texts: Iterable[Found]) -> Mapping[Path, str]:
    """The media types of files in Anthropic's form, by the path of their base64."""
    coded = {one.path[:-1] for one in texts if one.path[-2:] == ("source", "type") and one.text == "base64"}
    if not coded:
        return _NO_SOURCES
    kinds = {one.path[:-1]: one.text for one in texts if one.path[-1] == "media_type"}
    return {(*path, "data"): kinds.get(path, "") for path in coded}


def _speaker(role: str, position: int) -> Hashable:
    """The user speaks over several messages, anybody else in one."""
    return role if role == "user" else (role, position)


def _beside(key: str, value: Any, most: int) -> list[Field]:
    found: list[Field] = []
    for one in strings(value, (key,), names=_GIVEN):
        if one.is_name:
            found.append(Field(BESIDE, one.path, one.text, is_fixed=True))
        elif one.path[-1] not in ("type", "role") or one.text not in _GIVEN_KINDS:
            found += [_field(one, BESIDE), *_attached(one, _file(one), BESIDE, most)]
    return found


def _in_message(one: Found, position: int, speaker: Hashable, sources: Mapping[Path, str], most: int) -> list[Field]:
    if one.is_name:
        return [Field(position, one.path, one.text, is_fixed=True)]
    if one.path[-1] in ("type", "role") and _KIND.fullmatch(one.text) is not None:
        return []
    file = base64_file(one.text, sources[one.path]) if one.path in sources else _file(one)
    found = _attached(one, file, position, most)
    if file is None or not file.is_code or one.path[-1] not in _ADDRESSES:
        found.insert(0, _field(one, position, speaker if one.path[2] == "content" else None))
    return found


def _field(one: Found, message: int, speaker: Hashable = None) -> Field:
    return Field(message, one.path, one.text, speaker, is_json=_is_read_as_json(one))


def _attached(one: Found, file: EncodedFile | None, message: int, most: int) -> list[Field]:
    """The text of a file in the field, if there is one that the field itself does not show."""
    text = file.text(most) if file is not None else ""
    # A search for a long text in a longer one takes long; a file that shows is at the end of its address.
    is_shown = text in one.text if len(text) < _LONG else one.text.endswith(text)
    return [] if is_shown else [Field(message, one.path, text, is_fixed=True)]


def answer_fields(answer: Mapping[str, Any]) -> list[Field]:
    """All texts of an answer, or of the rest of an event."""
    choices = answer.get("choices")
    return [_answer_field(one, choices) for one in strings(answer, labels=LABELS) if not _is_media(one)]


def _answer_field(one: Found, choices: Any) -> Field:
    """Parts of the content of one message are read as one text."""
    path = one.path
    if path[0] != "choices" or len(path) < 2 or not isinstance(path[1], int):
        return _field(one, BESIDE)
    choice = index_of(choices[path[1]])
    return _field(one, choice, path[1] if path[3:4] == ("content",) else None)


def _is_read_as_json(one: Found) -> bool:
    return one.path[-1] in _JSON or ("\\" in one.text and one.text.lstrip()[:1] in ("{", "["))


def _is_media(one: Found) -> bool:
    """True for a file in a place where no model reads its letters as words."""
    if one.path[-1] not in _ADDRESSES:
        return False
    file = _file(one)
    return file is not None and file.is_code


def _file(one: Found) -> EncodedFile | None:
    """The encoded file in a field. Words may have the form of one as well."""
    if (file := data_url(one.text)) is not None:
        return file
    if one.path[-1] == "file_data":
        return base64_file(one.text)
    return base64_file(one.text, "audio") if one.path[-2:] in _SOUND else None
