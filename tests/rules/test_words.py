"""Phrases and phrases become a pattern, and the pattern becomes the same words again."""

import pytest

from apps.rules.engine import matcher
from apps.rules.engine.matcher import Matcher
from apps.rules.words import Phrases, complaint, lines, read, write

ANY = Phrases(("solve my homework", "C++"))
TOGETHER = Phrases(("quiz", "a|b"), are_together=True)
ROUND = [
    ANY,
    TOGETHER,
    Phrases(("läksyni", "tee se"), ignores_case=False),
    Phrases(("home",), is_whole=False),
    Phrases(("a.*b", "x\\", "(y)"), are_together=True),
    Phrases(("100 %", "[x]", "שיעורי בית")),
    Phrases(("one", "two", "three"), are_together=True, ignores_case=False),
    Phrases(
        ("a\\|b", "|"),
    ),
]


@pytest.mark.parametrize("words", ROUND, ids=str)
def test_words_are_read_back_from_their_pattern(words: Phrases) -> None:
    matcher.admit(write(words))

    assert read(write(words)) == words


@pytest.mark.parametrize(
    "pattern",
    ["", "(?i)", "(?i)a.b", "a+", r"\d", r"\bwhole", "(?s)a", "a||b", "(?s)a.*b|b.*c", "(?i)(a|b)", "a  b", " a"],
)
def test_a_pattern_that_people_wrote_has_no_words(pattern: str) -> None:
    assert read(pattern) is None


def test_a_plain_pattern_opens_as_words() -> None:
    assert read(r"(?i)solve\s+my\s+homework") == Phrases(("solve my homework",), is_whole=False)


@pytest.mark.parametrize(
    ("words", "text", "is_found"),
    [
        (ANY, "Please SOLVE  my\nhomework.", True),
        (ANY, "I write C++, not Java", True),
        (ANY, "resolve my homework", False),
        (Phrases(("home",), is_whole=False), "my homework", True),
        (Phrases(("Quiz",), ignores_case=False), "a quiz", False),
        (Phrases(("läksyni",)), "tee läksyni!", True),
        (Phrases(("läksy",)), "tee läksyni!", False),
        (TOGETHER, "a|b\nis in the Quiz", True),
        (TOGETHER, "Quiz: a|b", True),
        (TOGETHER, "the quiz of today", False),
    ],
)
def test_they_are_found(words: Phrases, text: str, is_found: bool) -> None:
    assert bool(Matcher([write(words)]).found(text)) is is_found


def test_lines_are_phrases_each_once() -> None:
    assert lines("  solve   my homework \r\n\r\nquiz\nquiz") == ("solve my homework", "quiz")


def test_too_many_phrases_are_refused_with_a_sentence() -> None:
    assert "at most 3" in complaint(Phrases(tuple("abcd"), are_together=True))
    assert "at most 100" in complaint(Phrases(tuple(str(n) for n in range(101))))
    assert not complaint(Phrases(tuple("abc"), are_together=True))
