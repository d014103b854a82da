"""The rule engine."""

import random
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.rules.engine.matcher import (
    MAX_PATTERN_LENGTH,
    MAX_SPANS,
    BadPattern,
    Matcher,
    Span,
    TooCostly,
    admit,
    check,
    fold,
)


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
        ("ab(?=a)b", "at character 3, near \u201c(?=a)b\u201d. "),
        ("(?=a)b", "Look-ahead and look-behind are not available"),
        ("(?<=a)b", "Look-ahead and look-behind are not available"),
        ("(?!a)b", "Look-ahead and look-behind are not available"),
        (r"(a)\1", "Back-references"),
        (r"a\1", "at character 2"),
        ("(?P=a)", "Back-references"),
        ("a++", "Possessive"),
        (r"a\Z", r"Write \z"),
        (r"\u0041", r"Write \x{1F600}"),
        (r"\N{DIGIT ONE}", "not available"),
        ("(?x)a", "Of the flags"),
        (r"a\C", "half a character at character 2"),
        ("(" * 41 + "a" + ")" * 41, "More than 40 groups"),
        ("a{201}", "201 repetitions at character 2"),
        ("(?:(?:a{0,20}){0,20}){0,20}b", "and 1,000 with those around them"),
        (r"\pL{10}", "instructions"),
        (r"\b", "matches the empty text"),
        ("a*", "matches the empty text"),
        ("^", "matches the empty text"),
        ("|a", "matches the empty text"),
        ("\ud800", "cannot be matched"),
        (r"a\x{d800}", "half of a character"),
        (r"[a-\x{dbff}]", "half of a character"),
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


@pytest.mark.parametrize("pattern", ["x.{0,20}[yz].{0,20}", "(?i)solve.{0,150}homework", "a.{0,100}b.{0,100}c"])
def test_a_linear_pattern_that_is_slow_all_the_same_is_refused(pattern: str) -> None:
    check(pattern)

    with pytest.raises(TooCostly, match=r"ms for a long text .* a gap such as"):
        admit(pattern)


@pytest.mark.parametrize(
    "pattern", [r"(?i)\bsolve\b.*\bhomework\b", r"(?i)solve\s+my\s+homework", r"EXAM-[A-Z]{4}", "漢字"]
)
def test_a_usual_pattern_is_admitted_with_what_it_costs(pattern: str) -> None:
    cost = admit(pattern, ["another", r"\d{4}"])

    assert 0 < cost.size < 200
    assert 0 < cost.milliseconds <= cost.set_milliseconds


def test_there_is_a_limit_to_the_rules_and_to_all_of_them_together() -> None:
    with pytest.raises(TooCostly, match="at most 1,000"):
        admit("cat", ["dog"] * 1_000)
    with pytest.raises(TooCostly, match="All rules together make"):
        admit("cat", ["a{180}b{180}c{180}d{180}"] * 280)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("EXAM-[A-Z]{4}", "ＥＸＡＭ－ＡＢＣＤ", ["ＥＸＡＭ－ＡＢＣＤ"]),
        ("EXAM-[A-Z]{4}", "exam-abcd ｅｘａｍ－ａｂｃｄ", []),
        ("(?i)exam", "ＥＸＡＭ eXam", ["ＥＸＡＭ", "eXam"]),
        ("Käse", "Kase", []),
        ("Käse", "K\u200bäse", ["K\u200bäse"]),
        ("Kase", "Käse", ["Käse"]),
        ("solve my", "solve\n  my", ["solve\n  my"]),
        ("solve my", "solve\n\nmy", []),
        ("home", "h o m e home", ["h o m e", "home"]),
        ("[a-z]+", "ab\u200bcd", ["ab\u200bcd"]),
    ],
)
def test_the_folded_copies_count_and_case_stays_the_patterns_own_affair(
    pattern: str, text: str, found: list[str]
) -> None:
    assert spans(pattern, text) == found
    assert bool(Matcher([pattern]).found(text)) == bool(found)


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


@pytest.mark.parametrize("prefix", ["", "\u00e9 "])
def test_patterns_without_words_are_found_however_many_there_are(prefix: str) -> None:
    """Sixty of these are several sets, as they are written for a text that is not all ASCII."""
    matcher = Matcher([rf"x\d{{{number}}}y" for number in range(1, 61)])

    for number in (1, 30, 60):
        assert matcher.found(f"{prefix}x{'7' * number}y") == [number - 1]
    assert matcher.found(f"{prefix}x7y x{'7' * 60}y") == [0, 59]


def test_many_threads_may_match_at_once() -> None:
    matcher = Matcher(["cat", r"\bdog\b", "é"])
    texts = ["a cat", "a dog", "é", "nothing"] * 50

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(matcher.found, texts))

    assert found == [[0], [1], [2], []] * 50
