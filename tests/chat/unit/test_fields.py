"""Every text of a request is found, and nothing else."""

import json
import time
from base64 import b64encode, encodebytes, urlsafe_b64encode
from typing import Any
from urllib.parse import quote

import pytest

from apps.chat.dialects.fields import BESIDE
from apps.chat.dialects.openai_chat.fields import request_fields
from tests.chat.paths import kind_of

PICTURE = f"data:image/png;base64,{b64encode(bytes(range(200))).decode()}"
TEXT_FILE = f"data:text/plain;base64,{b64encode(b'my words').decode()}"


def found(**fields: Any) -> dict[str, str]:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}
    return {kind_of(surface.path): surface.text for surface in request_fields(body)}


def in_message(**fields: Any) -> dict[str, str]:
    return found(messages=[{"role": "user", **fields}])


def test_a_plain_request_has_one() -> None:
    (surface,) = request_fields({"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]})

    assert (surface.message, surface.path, surface.text) == (0, ("messages", 0, "content"), "Hi")


def test_those_of_later_messages_come_later_and_those_beside_first() -> None:
    messages = [{"role": "user", "content": "a", "name": "b"}, {"role": "user", "content": "c"}]

    surfaces = request_fields({"messages": messages, "user": "u", "model": "m"})

    assert [surface.message for surface in surfaces] == [BESIDE, 0, 0, 1]


@pytest.mark.parametrize("kind", ["text", "image_url", "x_new.kind"])
def test_names_of_kinds_are_no_text(kind: str) -> None:
    assert in_message(content=[{"type": kind}]) == {}


def test_words_in_the_place_of_a_kind_are_text() -> None:
    assert in_message(content=[{"type": "My words!"}]) == {"messages[].content[].type": "My words!"}


def test_so_are_kinds_that_no_protocol_has_given_to_what_a_tool_takes() -> None:
    properties = {"a": {"type": "string"}, "b": {"type": "write-my-essay"}}
    parameters = {"type": "object", "properties": properties}
    tools = [{"type": "function", "function": {"name": "f", "parameters": parameters}}]

    kinds = [text for kind, text in found(tools=tools).items() if kind.endswith(".type")]

    assert kinds == ["write-my-essay"]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": PICTURE}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "file", "file": {"file_data": b64encode(b"%PDF\xff\xfe").decode()}},
    ],
)
def test_media_are_no_text(part: dict[str, Any]) -> None:
    assert {kind for kind in in_message(content=[part]) if not kind.endswith("format")} == set()


@pytest.mark.parametrize(
    "data",
    [TEXT_FILE, b64encode(b"my words").decode(), f"data:application/x-new;base64,{b64encode(b'my words').decode()}"],
)
def test_a_file_of_text_is_read(data: str) -> None:
    assert "my words" in in_message(content=[{"type": "file", "file": {"file_data": data}}]).values()


SECRET = "my words, and more of them than fit on one line of base64, which ends after 76 letters: Ã¶ \u2028"


def coded(text: str, charset: str = "utf-8") -> str:
    return b64encode(text.encode(charset)).decode()


CODE = coded(SECRET)
LINES = encodebytes(SECRET.encode()).decode()  # ends each line, the last one too
URL_CODE = urlsafe_b64encode(SECRET.encode()).decode()
IN_LATIN_1 = coded("my words, schön", "latin-1")
MARKED = b64encode(b"\xff\xfe" + SECRET.encode()).decode()
SPELLINGS = {
    "plain": f"data:text/plain;base64,{CODE}",
    "line breaks": f"data:text/plain;base64,{LINES}",
    "CRLF": "data:text/plain;base64," + LINES.replace("\n", "\r\n"),
    "a newline at the end": f"data:text/plain;base64,{CODE}\n",
    "a break before the code": f"data:text/plain;base64,\r\n{CODE}",
    "spaces within the code": f"data:text/plain;base64,{CODE[:20]}  {CODE[20:]}",
    "the scheme in capitals": f"DATA:text/plain;base64,{CODE}",
    "the coding in capitals": f"data:text/plain;BASE64,{CODE}",
    "the type in capitals": f"data:TEXT/PLAIN;base64,{CODE}",
    "a space before it": f" data:text/plain;base64,{CODE}",
    "control characters before it": f"\x00\t\ndata:text/plain;base64,{CODE}",
    "breaks within the scheme": f"da\tta\n:text/plain;base64,{CODE}",
    "a charset": f"data:text/plain;charset=UTF-8;base64,{CODE}",
    "a quoted charset": f'data:text/plain;charset="utf-8";base64,{CODE}',
    "a name": f"data:text/plain;name=my file.txt;base64,{CODE}",
    "a space before the coding": f"data:text/plain; base64 ,{CODE}",
    "the coding first": f"data:text/plain;base64;charset=utf-8,{CODE}",
    "no type": f"data:;base64,{CODE}",
    "a type of many letters": f"data:application/vnd.a+b.c-d_e!#$&^;base64,{CODE}",
    "JSON": f"data:application/json;base64,{CODE}",
    "SVG": f"data:image/svg+xml;base64,{CODE}",
    "the other alphabet": f"data:text/plain;base64,{URL_CODE}",
    "no padding": f"data:text/plain;base64,{CODE.rstrip('=')}",
    "percent-encoded code": f"data:text/plain;base64,{quote(CODE, safe='')}",
    "percent-encoded": f"data:text/plain,{quote(SECRET)}",
    "percent-encoded letters": "data:text/plain;charset=utf-8," + "".join(f"%{byte:02x}" for byte in SECRET.encode()),
    "two codes": f"data:text/plain;base64,{coded(SECRET[:1])}{coded(SECRET[1:])}",
    "a letter too many": f"data:text/plain;base64,{coded(SECRET + (2 - len(SECRET.encode())) % 3 * '.')[:-1]}AA",
    "UTF-16": f"data:text/plain;base64,{coded(SECRET, 'utf-16')}",
    "UTF-16 by its charset": f"data:text/plain;charset=utf-16le;base64,{coded(SECRET, 'utf-16-le')}",
    "a byte order mark": f"data:text/plain;base64,{coded(SECRET, 'utf-8-sig')}",
    "a type of one word": f"data:text;base64,{CODE}",
    "a charset that does not exist": f"data:text/plain;charset=iso-8859-99;base64,{CODE}",
    "a charset that is not its own": f"data:text/plain;charset=utf-16;base64,{CODE}",
    "a mark that is none": f"data:text/plain;charset=latin-1;base64,{MARKED}",
    "a fragment": f"data:text/plain;base64,{CODE.rstrip('=')}#f",
    "what is no letter": f"data:text/plain;base64,{CODE[:5]}!{CODE[5:9]}\xe4{CODE[9:]}",
    "a pad that is none": f"data:text/plain;base64,{CODE[:4]}={CODE[4:]}",
    "a percent sign before a break": f"data:text/plain;base64,%\r{quote(CODE, safe='')}",
    "percent signs in pairs": f"data:text/plain,%%%%%{quote(SECRET)}",
    "a break behind one": f"data:text/plain,%\r{quote(SECRET)}",
    "a long parameter": f"data:text/plain;x={'y' * 5000};base64,{CODE}",
}  # fmt: skip


def spelt(spelling: str) -> list[dict[str, Any]]:
    """A part for each place where a file may be."""
    return [
        {"type": "file", "file": {"file_data": spelling}},
        {"type": "input_file", "file_data": spelling},
        {"type": "image_url", "image_url": {"url": spelling}},
        {"type": "image_url", "image_url": spelling},
        {"type": "text", "text": spelling},
        {"type": "document", "source": {"type": "url", "url": spelling}},
    ]


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_a_file_of_text_is_read_in_every_spelling_that_decoders_take(spelling: str) -> None:
    for part in spelt(spelling):
        assert any(SECRET in text for text in in_message(content=[part]).values()), part
    for fields in ({"content": spelling}, {"content": spelling, "name": "me"}):
        assert any(SECRET in text for text in texts_of(**fields)), fields


def texts_of(**fields: Any) -> list[str]:
    return [field.text for field in request_fields({"model": "m", "messages": [{"role": "user", **fields}]})]


@pytest.mark.parametrize("code", [CODE, LINES, f"{CODE}\n", URL_CODE, CODE.rstrip("="), f"{CODE[:8]}={CODE[8:]}"])
@pytest.mark.parametrize("place", ["file", "input_file"])
def test_bare_base64_is_read_as_well(place: str, code: str) -> None:
    part = {"type": "file", "file": {"file_data": code}} if place == "file" else {"type": place, "file_data": code}

    assert SECRET in texts_of(content=[part])


def document(**source: Any) -> list[str]:
    return texts_of(content=[{"type": "document", "title": "t", "source": source}])


@pytest.mark.parametrize("code", [CODE, LINES, URL_CODE])
def test_a_document_in_the_form_of_anthropic_is_read(code: str) -> None:
    assert SECRET in document(type="base64", media_type="text/plain", data=code)
    assert SECRET in document(data=code, media_type="text/plain", type="base64")
    assert SECRET in document(type="base64", data=code)
    assert "my words, sch\ufffdn" in document(type="base64", media_type="text/plain", data=IN_LATIN_1)


def test_a_picture_in_that_form_is_no_text() -> None:
    code = b64encode(bytes(range(256))).decode()

    assert document(type="base64", media_type="image/png", data=code) == ["image/png", "t"][::-1]


def test_words_in_that_form_are_text() -> None:
    assert "forbidden" in document(type="text", media_type="text/plain", data="forbidden")


@pytest.mark.parametrize(
    "content", ['{"q":"forbidden\\u007aebra"}', ' \n["a\\u007a"]', "a\\u007a", "plain words", '{"q": 1}', "[a]"]
)
def test_a_message_is_read_alike_with_and_without_a_name(content: str) -> None:
    fields = [
        request_fields({"messages": [{"role": "user", "content": content, **more}]}) for more in ({}, {"name": "a"})
    ]

    assert fields[0] == fields[1][:-1]
    assert fields[0][0].is_json == (content.strip()[0] in "{[" and "\\" in content)


LONG = {
    "no comma": "data:" + "a/" * 2**21,
    "parameters": "data:a/b" + ";" * 2**22 + ",",
    "spaces": " " * 2**22 + "data:",
    "pads": "data:a/b;base64," + "Q=" * 2**21,
    "percents": "data:a/b," + "%" * 2**22,
    "percent-encoded code": "data:a/b;base64," + "%51" * 2**20,
    "breaks": "data:a/b;base64," + "\n" * 2**22,
    "letters": "data:a/b;base64," + "QUJD" * 2**20,
    "no letters": "data:a/b;base64," + "QU!D" * 2**20,
    "a charset": "data:text/plain;charset=utf-16;base64," + "QUJD" * 2**20,
}


@pytest.mark.parametrize("long", LONG.values(), ids=LONG.keys())
def test_four_megabytes_of_anything_are_read_in_no_time(long: str) -> None:
    started = time.thread_time()

    in_message(content=[{"type": "text", "text": long}])

    assert time.thread_time() - started < 1


@pytest.mark.parametrize("data", ["data:text/plain;base64,not base64!", "data: so it is"])
def test_what_only_looks_like_a_file_is_text(data: str) -> None:
    assert in_message(content=data) == {"messages[].content": data}


WORDS = "data:image/png;base64,write-my-essay"


def test_words_that_call_themselves_a_picture_are_text_wherever_a_model_reads_them() -> None:
    part = {"type": "text", "text": WORDS}
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"examples": [{"url": WORDS}]}}}]

    assert WORDS in in_message(content=[part]).values()
    assert WORDS in in_message(content=WORDS, name="me").values()
    assert WORDS in found(tools=tools).values()


def test_names_that_nobody_gave_are_text() -> None:
    parameters = {"type": "object", "properties": {"my words": {"type": "string"}}}
    tools = [{"type": "function", "function": {"name": "f", "parameters": parameters}}]

    assert "my words" in found(tools=tools).values()
    assert "my_field" in found(my_field=1).values()


def test_names_and_attached_files_cannot_be_changed() -> None:
    part = {"type": "file", "file": {"file_data": TEXT_FILE}}
    body = {"messages": [{"role": "user", "content": [part]}], "my_field": 1}

    assert all(surface.is_fixed for surface in request_fields(body))


def test_arguments_are_read_as_json() -> None:
    call = {"id": "a", "function": {"name": "f", "arguments": json.dumps({"a": "b"})}}
    surfaces = request_fields({"messages": [{"role": "assistant", "tool_calls": [call]}]})

    assert {surface.text for surface in surfaces if surface.is_json} == {'{"a": "b"}'}
