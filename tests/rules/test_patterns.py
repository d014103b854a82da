"""Patterns as trees, and words in all scripts."""

import re
import unicodedata

import pytest
import re2
from hypothesis import assume, given
from hypothesis import strategies as st

from apps.rules.engine.matcher import Matcher, width
from apps.rules.engine.parser import parse
from apps.rules.engine.pattern import shortest
from apps.rules.engine.prefilter import _STRETCH, Index, Word, required
from apps.rules.engine.unicode_words import count, spell_pattern, spell_text

CLASSES = [r"[aä]", r"[^a]", r"[^ä\n]", r"[\wж-]", r"[^\w]", r"[^\W\d]", r"[\S]", r"[\d_]", r"[^\s-]", "[a-ж]"]
ATOMS = st.sampled_from([*"abäж1_ -—.٣", r"\w", r"\W", r"\d", r"\s", r"\S", r"\D", "(?i:Ä)", "(?i:S)", *CLASSES])
WORDS = st.sampled_from(["abb", "Bäa", "1_ж", "ſss"])
EDGES = st.sampled_from([r"\b", r"\B", "^", "$"])
TIMES = st.sampled_from(["*", "+", "?", "{1,2}", "*?", "{2}"])


def patterns(leaves: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.recursive(
        leaves,
        lambda inner: (
            st.tuples(inner, inner).map("".join)
            | st.tuples(inner, inner).map("(?:{0[0]}|{0[1]})".format)
            | st.tuples(inner, TIMES).map("(?:{0[0]}){0[1]}".format)
        ),
        max_leaves=8,
    )


PATTERNS = patterns(ATOMS | EDGES)
TEXTS = st.text(alphabet="aäbBжs1_ -—\n٣ſÄ.", max_size=10)


def python(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace("$", r"\Z"))


@given(pattern=PATTERNS, text=TEXTS)
def test_a_spelled_out_search_finds_what_a_search_with_unicode_words_finds(pattern: str, text: str) -> None:
    """Python's own engine, which knows all scripts, says the same: whether there is a match, and where."""
    tree = parse(pattern)
    assume(shortest(tree) > 0)
    spelled = spell_text(text).encode()

    match = re2.compile(spell_pattern(tree)).search(spelled)

    expected = python(pattern).search(text)
    assert (match is None) == (expected is None)
    if match is not None and expected is not None:
        assert (count(spelled[: match.start()]), count(spelled[: match.end()])) == expected.span()


@given(
    pattern=patterns(WORDS | WORDS | EDGES | ATOMS),
    text=st.lists(WORDS | st.sampled_from(" a-ä"), max_size=6).map("".join),
)
def test_every_match_holds_the_words_that_it_requires(pattern: str, text: str) -> None:
    needs = required(parse(pattern))

    if needs and python(pattern).search(text) is not None:
        assert Index([needs]).candidates([text]) == [[0]]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("homework", [[("homework", False)]]),
        (r"\bhomework\b", [[("homework", True)]]),
        (r"(?i)\bSolve\b.*\bhomework\b", [[("solve", True)], [("homework", True)]]),
        (r"(?:solve|finish) it", [[("solve", False), ("finish", False)]]),
        (r"\b(?:solve|finish)\b", [[("solve", True), ("finish", True)]]),
        ("my homework now", [[("homework", True)], [("now", False)]]),
        ("(?:homework)+", [[("homework", False)]]),
        ("(?:homework)?", []),
        ("(?:homework|x)", []),
        (r"\d{4}", []),
        ("[Hh]omework", [[("omework", False)]]),
        ("HÄUSER", [[("häuser", False)]]),
        ("", []),
    ],
)
def test_required_words(pattern: str, words: list[list[tuple[str, bool]]]) -> None:
    assert required(parse(pattern)) == [frozenset(Word(*word) for word in choice) for choice in words]


def test_the_index_looks_for_whole_words_and_for_parts() -> None:
    index = Index([required(parse(r"\bhome\b")), required(parse("work")), [], required(parse("(?i)solve.*work"))])

    assert index.candidates(["homework"]) == [[1]]
    assert index.candidates(["a HOME"]) == [[0]]
    assert index.candidates(["SOLVE it", "the works"]) == [[], [1, 3]]
    assert Index([]).candidates(["anything"]) == [[]]


def test_the_index_finds_words_wherever_it_pauses() -> None:
    index = Index([required(parse(r"\bneedle\b"))])

    for shift in range(10):
        assert index.candidates(["x" * (_STRETCH - shift - 1) + " needle"]) == [[0]]


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"\bпривет\b", "скажи привет, мир", ["привет"]),
        (r"\bпривет\b", "приветствие", []),
        (r"\bsum\b", "söksum", []),
        (r"\bsum\b", "—sum—", ["sum"]),
        (r"x\b.", "xä x!", ["x!"]),
        (r"(?:\bfoo\b ?)+é", "é foo foo é", ["foo foo é"]),
        (r"foo\B.", "fooä foo", ["fooä"]),
        (r"\w+", "né à Besançon", ["né", "à", "Besançon"]),
        (r"\W", "aé—b", ["—"]),
        (r"\d+", "٣٤ é 12", ["٣٤", "12"]),
        (r"\s", "é\u2003b", ["\u2003"]),
        (r"[^\s\w]+", "é …!? b", ["…!?"]),
        (r"[\w-]+", "é-b c", ["é-b", "c"]),
        (r"\p{Greek}+", "abc αβγ é", ["αβγ"]),
        (r"\P{L}", "aé—", ["—"]),
        (r"[[:upper:]]", "éA", ["A"]),
        (r"[[:^alpha:]]", "aé", ["é"]),
        (r"(?i)ärger", "ÄRGER", ["ÄRGER"]),
        (r"(?i)\p{Lu}", "é", ["é"]),
        (r"\Qé+\E+", "é++", ["é++"]),
        (r"\x{e9}|\351", "é", ["é"]),
        (r"(?s)é.x", "é\nx", ["é\nx"]),
        (r"(?m)^é$", "a\n\né\n\nb", ["é"]),
        (r"(?P<name>é)(?<other>x)", "éx", ["éx"]),
        (r"(?U)é+", "éé", ["é", "é"]),
        (r"é{2}", "ééé", ["éé"]),
        ("é{", "é{", ["é{"]),
        ("[]é]+", "]é", ["]é"]),
        (r"_é_", "a _é_", ["_é_"]),
        (r"\x01", "\x01", ["\x01"]),
    ],
)
def test_words_are_words_in_all_scripts(pattern: str, text: str, found: list[str]) -> None:
    matcher = Matcher([pattern])

    assert [text[span.start : span.end] for span in matcher.spans(0, text)] == found
    assert matcher.found(text) == ([0] if found else [])


@pytest.mark.parametrize(
    ("pattern", "longest"),
    [
        ("homework", 8),
        (r"\bhomework\b", 8),
        ("a{2,5}b?", 6),
        ("(?:cat|horse)s", 6),
        ("a*", None),
        ("(?:a|b+)c", None),
        ("(?:a{3}){4}", 12),
        ("(?:^|$)*x", 1),
        ("[^ä]{10}", 10),
        (r"\Qabc\E", 3),
        ("(?:a+){0}b", 1),
        (r"EXAM-[A-Z]{4}-\d{2}", 12),
    ],
)
def test_the_width_is_that_of_the_longest_match(pattern: str, longest: int | None) -> None:
    assert width(pattern) == longest


@given(pattern=PATTERNS, text=TEXTS)
def test_no_match_is_wider_than_the_width(pattern: str, text: str) -> None:
    widest = width(pattern)

    for match in python(pattern).finditer(text):
        assert widest is None or len(match.group()) <= widest
        assert len(match.group()) >= shortest(parse(pattern))


def test_the_marks_of_words_are_part_of_them() -> None:
    """An accent that stands alone belongs to its letter, and to the word."""
    assert unicodedata.category("\u0323") == "Mn"
    assert Matcher([r"\bsum\b"]).spans(0, "sum\u0323ary") == []
