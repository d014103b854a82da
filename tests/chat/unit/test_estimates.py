"""What parts of a prompt that are no text may cost."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.chat.accounting.estimates import text_bytes
from apps.chat.dialects.openai_chat.media import (
    FILE_LEAST,
    FILE_MOST,
    IMAGE_HIGH,
    IMAGE_LOW,
    NO_MEDIA,
    UNKNOWN,
    UNSEEN,
    Media,
    media_of,
)

URL = "https://example.edu/a"


def data(size: int) -> str:
    """So many bytes in base64, with a head."""
    head = "data:x;base64,"
    return head + "A" * (size * 4 // 3 - len(head))


def media(*parts: Any) -> Media:
    return media_of([{"role": "user", "content": list(parts)}])


def image(**fields: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": fields}


IMAGES = [
    ({"url": URL}, IMAGE_HIGH, 0),
    ({"url": URL, "detail": "high"}, IMAGE_HIGH, 0),
    ({"url": URL, "detail": "auto"}, IMAGE_HIGH, 0),
    ({"url": URL, "detail": "novel"}, IMAGE_HIGH, 0),
    ({"url": URL, "detail": "low"}, IMAGE_LOW, 0),
    ({"url": data(300), "detail": "low"}, IMAGE_LOW, 400),
    ({"url": data(5_000_000)}, IMAGE_HIGH, len(data(5_000_000))),
    ({}, IMAGE_HIGH, 0),
    ({"url": None}, IMAGE_HIGH, 0),
]


@pytest.mark.parametrize(("fields", "tokens", "size"), IMAGES, ids=[str(fields)[:40] for fields, *_ in IMAGES])
def test_an_image_costs_by_its_detail_and_not_by_its_bytes(fields: dict[str, Any], tokens: int, size: int) -> None:
    assert media(image(**fields)) == Media(tokens, size)


def test_an_image_that_is_a_bare_string_is_one_as_well() -> None:
    assert media({"type": "image_url", "image_url": data(300)}) == Media(IMAGE_HIGH, 400)


OTHERS = [
    ({"type": "input_audio", "input_audio": {"data": "A" * 64_000, "format": "wav"}}, 3 * 32, 64_000),
    ({"type": "input_audio", "input_audio": {"data": "A" * 64_000, "format": "mp3"}}, 12 * 32, 64_000),
    ({"type": "input_audio", "input_audio": {"data": "A", "format": "mp3"}}, 0, 1),
    ({"type": "audio_url", "audio_url": {"url": URL}}, UNSEEN, 0),
    ({"type": "video_url", "video_url": {"url": URL}}, UNSEEN, 0),
    ({"type": "video_url", "video_url": {"url": data(32_000)}}, 2 * 263, len(data(32_000))),
    ({"type": "file", "file": {"file_id": "file-1"}}, UNSEEN, 0),
    ({"type": "file", "file": {"file_data": data(300)}}, FILE_LEAST, 400),
    ({"type": "file", "file": {"file_data": data(30_000)}}, 10_000, 40_000),
    ({"type": "file", "file": {"file_data": data(5_000_000)}}, FILE_MOST, len(data(5_000_000))),
    ({"type": "novelty", "novelty": {"data": "A" * 500}}, UNKNOWN, 0),
    ({"type": "novelty", "text": "said otherwise"}, 0, 0),
    ({"type": "text", "text": "See"}, 0, 0),
    ({"type": "text", "image_url": {"url": data(300)}}, 0, 0),
    ({"type": "refusal", "refusal": "No."}, 0, 0),
]


@pytest.mark.parametrize(("part", "tokens", "size"), OTHERS, ids=[str(part)[:60] for part, *_ in OTHERS])
def test_every_other_part_has_its_cost(part: dict[str, Any], tokens: int, size: int) -> None:
    found = media({"type": "text", "text": "See"}, part)

    assert (found.tokens, found.bytes if tokens else size) == (tokens, size)


def test_parts_of_all_messages_add_up() -> None:
    messages = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [image(url=URL), image(url=data(300), detail="low")]},
        {"role": "tool", "content": [image(url=URL)]},
        {"role": "assistant", "content": None},
        {"role": "assistant"},
    ]

    assert media_of(messages) == Media(2 * IMAGE_HIGH + IMAGE_LOW, 400)


def test_text_alone_has_none() -> None:
    assert media_of([{"role": "user", "content": "Hi"}]) is NO_MEDIA


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["url", "data", "x"]), inner),
    max_leaves=5,
)
KINDS = st.sampled_from(["text", "image_url", "input_audio", "audio_url", "video_url", "file", "novelty"])


@given(kind=KINDS, value=VALUES, text=VALUES)
def test_nothing_that_a_client_sends_breaks_it_or_is_worth_less_than_nothing(kind: str, value: Any, text: Any) -> None:
    found = media({"type": kind, kind: value, "text": text})

    assert found.tokens >= 0
    assert 0 <= found.bytes <= len(str(value)) + 20


def test_what_rules_add_counts_as_text() -> None:
    assert text_bytes(100, ()) == 100
    assert text_bytes(100, ("Give hints.", "Älä")) == 100 + 11 + 5
