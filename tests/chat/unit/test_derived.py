"""Texts as somebody else may read them: joined, and decoded."""

import json
from collections.abc import Hashable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.chat.dialects.fields import Field
from apps.chat.guardrails.derived import DerivedText, derived


def joined(*texts: str) -> list[DerivedText]:
    return list(
        derived([Field(0, ("messages", 0, "content", n, "text"), text, "user") for n, text in enumerate(texts)])
    )


def decoded(text: str) -> DerivedText:
    (view,) = derived([Field(0, ("arguments",), text, is_json=True)])
    return view


def test_texts_of_one_speaker_read_as_one_with_and_without_a_space() -> None:
    assert [view.text for view in joined("home", "work")] == ["homework", "home work"]


def test_what_crosses_a_seam_is_found_in_both_texts() -> None:
    assert joined("my home", "work is")[0].places(3, 11) == [(0, 3, 7), (1, 0, 4)]


def test_what_is_in_one_text_is_no_news() -> None:
    assert joined("my home", "work is")[0].places(3, 6) == []


def test_a_match_may_cross_several_texts() -> None:
    assert joined("a", "b", "", "c")[0].places(0, 3) == [(0, 0, 1), (1, 0, 1), (3, 0, 1)]


def test_another_speaker_ends_the_text() -> None:
    speakers: dict[str, Hashable] = {"a": 1, "b": 2, "c": 2, "d": None, "e": 2, "f": 3}
    fields = [Field(0, (text,), text, speaker) for text, speaker in speakers.items()]

    assert [view.text for view in derived(fields)] == ["bce", "b c e"]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (r'{"a": "h\u006fme\nwork"}', "home\nwork"),
        (r'["\ud83d\ude00 \"x\" \\ \/ \t"]', '😀 "x" \\ / \t'),
        (r'["\ud83d lone \ude00"]', "\ufffd lone \ufffd"),
        (r'{"cut off": "h\u006fme', "home"),
        ('["\\', ""),
    ],
)
def test_strings_within_json_read_as_what_they_stand_for(raw: str, text: str) -> None:
    assert text in decoded(raw).text


VALUES = st.recursive(
    st.text(max_size=8), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner)
)


@given(value=VALUES, is_ascii=st.booleans(), number=st.integers(0, 100))
def test_every_place_of_a_decoded_text_is_the_place_that_stands_for_it(value: Any, is_ascii: bool, number: int) -> None:
    raw = json.dumps([value, "\\"], ensure_ascii=is_ascii)
    view = decoded(raw)
    at = number % len(view.text)

    for _, start, end in view.places(at, at + 1):
        assert json.loads(f'"{raw[start:end]}"') == view.text[at]
