"""Which patterns the rule engine refuses, and what bounds those that it takes."""

import random
import re
import time

import pytest

from apps.rules.engine.matcher import MAX_PATTERN_LENGTH, BadPattern, Matcher, TooCostly, admit, check
from tests.rules.spans import spans


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


@pytest.mark.parametrize("prefix", ["", "\u00e9 "])
def test_patterns_without_words_are_found_however_many_there_are(prefix: str) -> None:
    """Sixty of these are several sets, as they are written for a text that is not all ASCII."""
    matcher = Matcher([rf"x\d{{{number}}}y" for number in range(1, 61)])

    for number in (1, 30, 60):
        assert matcher.found(f"{prefix}x{'7' * number}y") == [number - 1]
    assert matcher.found(f"{prefix}x7y x{'7' * 60}y") == [0, 59]
