"""The rule engine."""

import random
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.rules.engine import MAX_PATTERN_LENGTH, MAX_SPANS, BadPattern, Matcher, Span, check


def spans(pattern: str, text: str) -> list[str]:
    return [text[span.start : span.end] for span in Matcher([pattern]).spans(0, text)]


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


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ("", "Write a pattern"),
        ("a" * (MAX_PATTERN_LENGTH + 1), f"has {MAX_PATTERN_LENGTH + 1} characters"),
        ("(", "missing"),
        ("[a", "missing"),
        ("a**", "bad repetition"),
        ("a{2,1}", "repetition"),
        ("a{2000}", "repetition"),
        ("(?=a)b", "Look-ahead and look-behind are not available"),
        ("(?<=a)b", "Look-ahead and look-behind are not available"),
        ("(?!a)b", "Look-ahead and look-behind are not available"),
        (r"(a)\1", "Back-references"),
        ("a*", "matches the empty text"),
        ("^", "matches the empty text"),
        ("|a", "matches the empty text"),
        ("\ud800", "cannot be matched"),
        (r"\pX", "cannot be run"),
    ],
)
def test_a_bad_pattern_is_explained(pattern: str, sentence: str) -> None:
    with pytest.raises(BadPattern, match=re.escape(sentence)):
        check(pattern)


@pytest.mark.parametrize("pattern", ["cat", r"(?i)solve\s+my\s+homework", r"\p{Greek}+", "(a+)+$", "a{0,200}b"])
def test_a_good_pattern_passes(pattern: str) -> None:
    check(pattern)


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|aa)+$", "(a|a?)+$", "(.*a){20}$", "([a-zA-Z]+)*$", "(x+x+)+y", "^(([a-z])+.)+[A-Z]$"]
)
def test_no_pattern_takes_forever(pattern: str) -> None:
    text = "a" * 32_000 + "!"
    matcher = Matcher([pattern])

    started = time.perf_counter()
    matcher.found(text)

    assert time.perf_counter() - started < 1.0


def test_a_set_that_outgrows_its_memory_still_finds() -> None:
    """The number of states of this pattern doubles with each repetition, so no automaton of it fits into memory."""
    random.seed(1)
    noise = "".join(random.choice("ab") for _ in range(50_000))
    matcher = Matcher(["(?s)c[ab]{300}d", "[ab]*a[ab]{20}X", "never"])

    assert matcher.found(f"{noise}a{'b' * 20}X") == [1]
    assert matcher.found(noise) == []
