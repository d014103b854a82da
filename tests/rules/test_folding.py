"""Folded copies of a text, and the way back from them."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.rules.engine import steps
from apps.rules.engine.lookalikes import FLIPPED, LOOKALIKES
from apps.rules.engine.normal_forms import MAX_MARKS, SHARED
from apps.rules.engine.normalize import PIECE, Span, fold

# What disguises are made of, so that properties meet it often.
TRICKS = st.sampled_from(
    [
        *"abc ABC.\n\t_-19",
        *"äöüßéñÅ",
        *"аеорсух",
        *"αεο",
        *"ﬁ①ⓐＡ㍿ﷺ",
        *"\u200b\u200d\u00ad\ufe0f\u2060\u202e\u202c\u034f\u3164",
        *"\u0300\u0323\u20dd\uff9e",
        *"ɐǝɯʞ",
        *"각ᄀ\u1161\u11a8がカ\u3099",
        "🇫🇮",
        "👩‍💻",
        "\U000e0061",
        "\U0001d41a",
        "h o m e ",
        "\n\n",
        "\r\n",
    ]
)
TEXTS = st.lists(TRICKS | st.characters(exclude_categories=["Cs"]), max_size=40).map("".join)

# Without what is read in the light of the letters around it: mixed scripts, upside-down and reversed letters.
_READ_IN_CONTEXT = "".join([*LOOKALIKES.values(), *FLIPPED, "\u202e"])
STEADY = TEXTS.map(lambda text: text.translate(dict.fromkeys(map(ord, _READ_IN_CONTEXT))))


def originals(text: str) -> list[str]:
    """For each character of the most folded copy, what it comes from."""
    folded = fold(text)
    spans = [folded.span(index, index + 1) for index in range(len(folded.text))]
    return [text[span.start : span.end] for span in spans]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("homework", "homework"),
        ("HomeWork", "HomeWork"),  # case is the pattern's own affair
        ("home\u200bwork", "homework"),
        ("ho\u00adme", "home"),
        ("h\u0300o\u0301m\u0302e", "home"),
        ("h\u20ddo", "ho"),
        ("ｈｏｍｅ", "home"),
        ("\U0001d421\U0001d428\U0001d426\U0001d41e", "home"),
        ("ⓗⓞⓜⓔ", "home"),
        ("🅗🅞🅜🅔", "HOME"),
        ("🄷🄾🄼🄴", "HOME"),
        ("🇭🇴", "HO"),
        ("ʜᴏᴍᴇ", "home"),
        ("hоmе", "home"),  # Cyrillic о and е
        ("һomework", "homework"),
        ("Ηomework", "Homework"),  # Greek Η
        ("krow\u202eemoh\u202c", "krowhome"),
        ("\u202eemoh", "home"),
        ("ǝɯoɥ", "home"),
        ("ʞɹoʍǝɯoɥ ʎɯ ǝʌlos", "solve my homework"),
        ("h o m e", "home"),
        ("h.o.m.e", "home"),
        ("h-o-m-e w_o_r_k", "home work"),
        ("a b c", "a b c"),  # three letters are notation
        ("1 2 3 4 5", "1 2 3 4 5"),
        ("solve  \t my", "solve my"),
        ("solve\nmy", "solve my"),  # a line that is wrapped goes on
        ("one\n \n two", "one\ntwo"),  # a paragraph ends
        ("\U000e0068\U000e006f", "ho"),
        ("ﬁnal oﬀer", "final offer"),
        ("Käse", "Kase"),
        ("Straße", "Strasse"),
        ("øre Łódź", "ore Lodz"),
        ("don’t “say” — no", 'don\'t "say" - no'),
        ("привет", "привет"),  # a word of one script stays as it is
        ("сору", "сору"),
        ("дoмашка", "домашка"),  # one Latin letter in a Russian word
        ("Ἀθήνα", "Αθηνα"),
        ("漢字かな", "漢字かな"),
        ("が", "が"),
        ("한국어", "한국어"),
        ("한", "한"),
        ("مدرسة", "مدرسة"),
        ("कि", "कि"),
        ("e\x00x", "ex"),
        ("𝓼𝓸𝓵𝓿𝓮", "solve"),
        ("₁²", "12"),
        ("٤۱१", "411"),
        ("", ""),
    ],
)
def test_disguises_fall(text: str, plain: str) -> None:
    assert fold(text).text == plain


@pytest.mark.parametrize(("text", "marked"), [("K\u200bäse", "Käse"), ("Ｋa\u0308se", "Käse"), ("й\u200bод", "йод")])
def test_one_copy_keeps_the_accents(text: str, marked: str) -> None:
    assert marked in [copy.text for copy in fold(text).copies]


@pytest.mark.parametrize("text", ["", "plain words", "def f(x):", "привет как дела", "漢字"])
def test_what_folding_leaves_alone_has_no_copies(text: str) -> None:
    assert [copy.text for copy in fold(text).copies] == [text]


def test_every_folded_character_knows_what_it_comes_from() -> None:
    assert originals("ﬁ h\u0300 \n x\u200by h o m e") == [*("ﬁ", "ﬁ", " ", "h\u0300", " \n ", "x", "y", " "), *"home"]


def test_what_was_reversed_knows_it_too() -> None:
    assert originals("a\u202ecb\u202c") == ["a", "b", "c"]


def test_a_span_covers_what_is_hidden_inside_it() -> None:
    text = "my ho\u200bme\u00adwork!"
    folded = fold(text)

    start = folded.text.index("homework")

    assert folded.span(start, start + 8) == Span(3, 13)


def test_the_end_of_the_copy_is_the_end_of_the_original() -> None:
    folded = fold("a\u200b")

    assert folded.origin(0) == 0
    assert folded.origin(1) == 2
    assert folded.span(1, 1) == Span(2, 2)


@given(STEADY)
def test_every_folded_character_comes_from_text_that_folds_to_it(text: str) -> None:
    folded = fold(text)

    for copy in folded.copies:
        for index, character in enumerate(copy.text):
            span = copy.span(index, index + 1)
            again = fold(text[span.start : span.end])
            assert any(character in other.text for other in again.copies), (copy.text, index)


@given(TEXTS)
def test_spans_grow_with_what_they_cover(text: str) -> None:
    folded = fold(text)
    whole = folded.span(0, len(folded.text))

    for index in range(len(folded.text)):
        span = folded.span(index, index + 1)
        assert whole.start <= span.start
        assert span.end <= whole.end
        assert folded.origin(index) == span.start


@given(TEXTS)
def test_folding_again_changes_little(text: str) -> None:
    """No step brings back what an earlier one removed: nothing unseen, wide or doubled is left."""
    plain = fold(text).text

    assert "  " not in plain
    assert not set(plain) & {"\u200b", "\u00ad", "\ufe0f", "\u202e", "\u2060", "\ufeff"}
    assert plain.isascii() or unicodedata.is_normalized("NFKC", plain)


@given(TEXTS, st.integers(0, 40))
def test_long_texts_are_folded_in_pieces_like_short_ones(text: str, at: int) -> None:
    filler = "word " * (PIECE // 5 + at)

    folded = fold(filler + text)

    assert folded.text.startswith("word " * 10)
    assert folded.span(0, len(folded.text)).start == 0
    assert folded.original == filler + text


def test_a_word_across_the_edge_of_a_piece_is_still_one() -> None:
    for shift in range(12):
        text = "ä" + "y" * (PIECE - 12 + shift - 7) + " fillers h\u0301omework"
        assert "homework" in fold(text).text


def test_a_long_word_across_the_edge_of_a_piece_is_still_one() -> None:
    """Its halves are of one script each, which folding leaves alone; together they are a disguise."""
    before = "\u00fc " + "word " * ((PIECE - 600) // 5)
    text = before + "a" * (PIECE - len(before)) + "\u0430" * 400

    assert fold(text).text.endswith("a" * 1000)


def test_nothing_is_left_out_between_pieces() -> None:
    text = "".join(chr(0x4E00 + number % 5000) for number in range(3 * PIECE))

    assert fold(text).text == text


def test_marks_are_capped_before_they_are_put_in_order() -> None:
    """Putting 32,000 of them in order takes most of a second."""
    text = "a" + "\u0315\u0300" * 4_000

    marked = fold(text).copies[1].text

    assert len(marked) <= MAX_MARKS + 1


def test_everything_that_joins_what_stands_before_it_is_known_as_a_mark() -> None:
    marks = steps.marks()
    ranges = [(marks[at], marks[at + 2]) for at in range(0, len(marks), 3)]

    for number in range(0x110000):
        decomposed = unicodedata.normalize("NFKD", chr(number))
        if unicodedata.combining(decomposed[0]):
            assert any(first <= chr(number) <= last for first, last in ranges), hex(number)


def test_nothing_grows_more_than_fourfold() -> None:
    """NFKC alone makes 18 characters of one."""
    normal = {chr(number): unicodedata.normalize("NFKC", chr(number)) for number in range(0x80, 0x110000)}

    for character in (character for character, text in normal.items() if len(text) > 2):
        text = character
        for step in SHARED:
            text = step(text)
        assert len(text) <= 4, hex(ord(character))


def test_half_a_surrogate_pair_is_a_question_mark() -> None:
    folded = fold("\ud800 löne")

    assert folded.text == "? lone"
    assert folded.original == "\ud800 löne"
