"""The rule engine."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.rules.engine.matcher import MAX_SPANS, Matcher, Span, fold
from tests.rules.spans import spans


@pytest.mark.parametrize(
    ("patterns", "text", "found"),
    [
        (["cat", "dog"], "a cat and a dog", [0, 1]),
        (["cat", "dog"], "a dog", [1]),
        (["cat", "dog"], "a bird", []),
        (["cat", "dog"], "", []),
        ([], "anything", []),
        (["(?i)homework"], "HomeWork", [0]),
        (["homework"], "HomeWork", []),
        (["^first"], "second\nfirst", []),
        (["(?m)^first"], "second\nfirst", [0]),
        (["a.b"], "a\nb", [0]),  # in the folded copy a line that is wrapped goes on
        (["(?s)a.b"], "a\nb", [0]),
        ([r"\bsum\b"], "summary", []),
        (["ä"], "Käse", [0]),
        (["(?i)ÄRGER"], "ärger", [0]),
        ([r"\p{Han}"], "漢字", [0]),
        (["cat", "cat"], "cat", [0, 1]),
        (["\x00"], "a\x00b", [0]),
    ],
)
def test_a_set_finds_the_patterns_that_occur(patterns: list[str], text: str, found: list[int]) -> None:
    assert Matcher(patterns).found(text) == found


PIECES = [
    "cat",
    "dog",
    " ",
    "  ",
    "\n",
    "|",
    "a b c ",
    "d e f",
    "1234",
    "-",
    "é",
    "ca\u200bt",
    "СAT",
    "\u202etac",
    "x" * 40,
    "",
]

GLANCED = [
    "cat",
    "^cat",
    "dog$",
    r"\Aa",
    r"(?m)^dog",
    r"\bcat\b",
    r"\B-",
    "cat|^x",
    "[0-9]{4}",
    r"[0-9 -]{6}",
    "é",
    "abc",
    "(?i)cat.*dog",
    r"\d\s*\z",
    "(cat)?",
]


@given(
    texts=st.lists(st.lists(st.sampled_from(PIECES), max_size=6).map("".join), max_size=4),
    patterns=st.lists(st.sampled_from(GLANCED), max_size=4, unique=True),
)
def test_a_glance_at_many_texts_never_overlooks_what_is_in_one(texts: list[str], patterns: list[str]) -> None:
    matcher = Matcher(patterns)

    assert not matcher.finds_nothing(texts) or not any(map(matcher.found, texts))


@given(texts=st.lists(st.lists(st.sampled_from(PIECES), max_size=6).map("".join), max_size=4))
def test_a_glance_does_not_trust_validators(texts: list[str]) -> None:
    matcher = Matcher([r"[0-9\s-]{4,}"], [lambda match: match.strip() == "1234"])

    assert not matcher.finds_nothing(texts) or not any(map(matcher.found, texts))


@pytest.mark.parametrize(
    ("patterns", "texts"),
    [
        (["cat"], ["a dog", "a bird"]),
        (["cat"], []),
        (["cat"], ["ca", "t"]),
        (["^cat", "cat$"], ["a cat is", "my cat too"]),
        (["[0-9]{4}"], ["12", "34", "Käse 5"]),
        (["^[0-9]"], ["a 1", "ä 2"]),
    ],
)
def test_a_glance_sees_that_there_is_nothing(patterns: list[str], texts: list[str]) -> None:
    assert Matcher(patterns).finds_nothing(texts)


def test_a_glance_leaves_many_anchored_patterns_in_many_texts_to_a_thread() -> None:
    patterns = [rf"^[0-9]{{{number}}}$" for number in range(1, 101)]

    assert Matcher(patterns).finds_nothing(["a text"])
    assert not Matcher(patterns).finds_nothing(["a text"] * 64)


@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_text_can_be_searched(text: str) -> None:
    assert Matcher(["needle that is not there"]).found(text) == []


@given(text=st.text(alphabet="ab ", max_size=30), word=st.text(alphabet="ab", min_size=1, max_size=3))
def test_a_set_agrees_with_a_plain_search(text: str, word: str) -> None:
    assert bool(Matcher(["never", word]).found(text)) == (word in text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [("cat", "a cat, a cat"), ("Käse", "mehr Käse"), ("x", "👋👋x"), ("漢.", "äö漢字"), (r"\w+", "né à Besançon")],
)
def test_spans_are_positions_in_the_text_as_python_counts(pattern: str, text: str) -> None:
    expected = [Span(*match.span()) for match in re.finditer(pattern, text)]

    assert Matcher([pattern]).spans(0, text) == expected


@given(prefix=st.text(alphabet="aä漢👋\n", max_size=20))
def test_a_span_is_right_after_any_prefix(prefix: str) -> None:
    assert spans("NEEDLE", f"{prefix}NEEDLE") == ["NEEDLE"]


def test_there_is_a_limit_to_the_spans() -> None:
    assert len(spans("a", "a" * 1000)) == MAX_SPANS


def test_a_validator_has_the_last_word() -> None:
    matcher = Matcher([r"\d+", r"\d+"], [lambda found: found == "12", None])

    assert matcher.found("1 2 3") == [1]
    assert matcher.found("1 12") == [0, 1]
    assert matcher.spans(0, "1 12 é １２") == [Span(2, 4), Span(7, 9)]


def test_spans_can_begin_later_and_be_many() -> None:
    matcher = Matcher([r"\ba"])

    assert matcher.spans(0, "a ba a", start=1) == [Span(5, 6)]
    assert matcher.spans(0, "a é a", start=1) == [Span(4, 5)]
    assert len(matcher.spans(0, "a " * 100, most=50)) == 50


def test_places_that_hold_nothing_are_no_matches() -> None:
    """No such pattern is saved any more, but one may be from before."""
    matcher = Matcher(["a*"])

    assert matcher.found("bbb") == []
    assert matcher.spans(0, "baab") == [Span(1, 3)]


@given(text=st.text(alphabet="aAbé \u200bо.\n", max_size=30))
def test_a_pattern_is_found_just_when_it_has_spans(text: str) -> None:
    patterns = ["a", r"\bab", "(?i)a.b", "é", r"\W\w", "ab a", "[^a]b", "(?:ba)+|b{2}", "bo"]
    matcher = Matcher(patterns)
    folded = fold(text)

    found = matcher.found(folded)

    assert found == [position for position in range(len(patterns)) if matcher.spans(position, folded)]
    assert all(0 <= s.start < s.end <= len(text) for p in found for s in matcher.spans(p, folded))


def test_many_threads_may_match_at_once() -> None:
    matcher = Matcher(["cat", r"\bdog\b", "é"])
    texts = ["a cat", "a dog", "é", "nothing"] * 50

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(matcher.found, texts))

    assert found == [[0], [1], [2], []] * 50
