"""The steps of folding, in their order, and the tables that they use. Pure."""

import re
import unicodedata
from collections.abc import Sequence

import re2

from apps.rules.engine.lookalikes import (
    CYRILLIC,
    FLIPPED,
    FLIPPED_ASCII,
    LATIN,
    LIGATURES,
    LOOKALIKES,
    PUNCTUATION,
    SMALL_CAPITALS,
)
from apps.rules.engine.steps import JOINING, Collapsing, Normalising, Rewriting, Spelling, Step, everything, marks

MAX_MARKS = 30  # combining characters in a row: ordering them takes quadratic time


def _digits() -> dict[str, str]:
    """The digits of all scripts."""
    return {c: str(unicodedata.decimal(c)) for part in everything() for c in part if c.isdecimal()}


def _compatible(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


_ACCENTS = re.compile("[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")


def _bare(text: str) -> str:
    """Strip the marks of Latin, Greek and Cyrillic. Those of other scripts are letters in their own right."""
    apart = unicodedata.normalize("NFD", text)
    bare = _ACCENTS.sub("", apart)
    return text if len(bare) == len(apart) else unicodedata.normalize("NFC", bare)


def _reversed(overridden: str) -> str:
    """Reverse the text between a right-to-left override and its end."""
    return overridden.strip(_OVERRIDE)[::-1]


def _reversed_places(overridden: str) -> Sequence[int]:
    return range(len(overridden.rstrip(_OVERRIDE)) - 1, 0, -1)


_CYRILLIC_FOR = str.maketrans(CYRILLIC)
_LATIN_FOR = {ord(other): letter for letter, others in LOOKALIKES.items() for other in others}
_ASCII_LETTER = re.compile("[A-Za-z]")
_CYRILLIC_WORD = re.compile("[\u0400-\u052f]+")


def _unmixed(word: str) -> str:
    """Write a word that mixes scripts in the script that it imitates. A word of one script stays as it is."""
    if word.isascii() or _ASCII_LETTER.search(word) is None:
        return word
    latin = word.translate(_LATIN_FOR)
    if latin.isascii():
        return latin
    cyrillic = word.translate(_CYRILLIC_FOR)
    return cyrillic if _CYRILLIC_WORD.fullmatch(cyrillic) else latin


_UPRIGHT = str.maketrans(FLIPPED | FLIPPED_ASCII)


def _upright(flipped: str) -> str:
    """Turn upside-down text the right way up. It reads from right to left."""
    return flipped.translate(_UPRIGHT)[::-1]


def _unseen() -> dict[str, str]:
    """Invisible characters, which are dropped, except those that stand for ASCII that only machines see."""
    controls = [chr(number) for number in range(0xA0) if unicodedata.category(chr(number)) == "Cc"]
    table = dict.fromkeys((control for control in controls if not control.isspace()), "")
    ranges = (
        (0x200B, 0x200F),
        (0x202A, 0x202E),
        (0x2060, 0x206F),
        (0xFE00, 0xFE0F),
        (0xFFF9, 0xFFFB),
        (0x180B, 0x180F),
        (0xE0100, 0xE01EF),
        (0x17B4, 0x17B5),
        (0x115F, 0x1160),
        (0x1BCA0, 0x1BCA3),
        (0x1D173, 0x1D17A),
        (0xE0000, 0xE007F),
    )
    for first, last in ranges:
        table |= dict.fromkeys(map(chr, range(first, last + 1)), "")
    table |= dict.fromkeys("\xad\u034f\u061c\u2800\u3164\uffa0\ufeff", "")
    return table | {chr(0xE0000 + number): chr(number) for number in range(0x20, 0x7F)}


def _alphabets() -> dict[str, str]:
    """Letters in circles and squares that NFKC leaves alone, flags, and small capitals."""
    table = dict(SMALL_CAPITALS)
    for first, alphabet in (
        (0x1F150, "A"),
        (0x1F170, "A"),
        (0x1F1E6, "A"),
        (0x1F130, "A"),
        (0x24B6, "A"),
        (0x24D0, "a"),
    ):
        table |= {chr(first + number): chr(ord(alphabet) + number) for number in range(26)}
    return table


def _long() -> dict[str, str]:
    """Characters that NFKC turns into more than four, with the first four of these."""
    return {character: _compatible(character)[:4] for character in "㌇㌕㌖㌗㌙㌚㌠㌫㌮㌲㌴㌶㍇㍊㍖㎮㎯\ufdfa\ufdfb"}


_LATIN = {other: letter for letter, others in LATIN.items() for other in others}
_OVERRIDE = "\u202e\u202c"
_LETTER = r"[^\W\d_]"
_BETWEEN = r"[ ._*/|~+-]"
_FLIPPED = "".join(FLIPPED)
_ALL_LOOKALIKES = "".join(LOOKALIKES.values())

_SET_APART_ASCII = rf"(?:^|[^A-Za-z0-9])[A-Za-z](?:{_BETWEEN}[A-Za-z]){{3}}"

unseen = Spelling(_unseen() | _alphabets() | _long())
collapsed = Collapsing()
few_marks = Rewriting(
    f"[{marks()}]{{{MAX_MARKS + 1},}}",
    lambda run: run[:MAX_MARKS],
    lambda run: range(MAX_MARKS),
    hint=f"{JOINING}{{6}}",  # a whole run of MAX_MARKS takes RE2 1.5 MB
)
controls = Rewriting(
    "[\x00-\x08\x0e-\x1b\x7f]+", lambda controls: "", lambda controls: (), hint="[\x00-\x08\x0e-\x1b\x7f]"
)
turned_round = Rewriting(
    f"{_OVERRIDE[0]}[^{_OVERRIDE}\n]*{_OVERRIDE[1]}?", _reversed, _reversed_places, hint=_OVERRIDE[0], keeps_order=False
)
upright = Rewriting(
    rf"[a-z]*[{_FLIPPED}][a-z]*[{_FLIPPED}][a-z{_FLIPPED}]*(?:[ ,.!?'][a-z{_FLIPPED}]+)*",
    _upright,
    lambda flipped: range(len(flipped) - 1, -1, -1),
    hint=f"[{_FLIPPED}][a-z]*[{_FLIPPED}]",
    keeps_order=False,
)
one_script = Rewriting(
    r"\w+",
    _unmixed,
    lambda word: range(len(word)),
    hint=rf"[A-Za-z][\w\x80-\x{{10ffff}}]*[{_ALL_LOOKALIKES}]|[{_ALL_LOOKALIKES}][\w\x80-\x{{10ffff}}]*[A-Za-z]",
)
set_apart = Rewriting(
    rf"(?<!\w){_LETTER}({_BETWEEN}){_LETTER}(?:\1{_LETTER}){{2,}}(?!\w)",
    lambda letters: letters[::2],
    lambda letters: range(0, len(letters), 2),
    hint=rf"(?:^|[^A-Za-z0-9])[A-Za-z\x80-\x{{10ffff}}](?:{_BETWEEN}[A-Za-z\x80-\x{{10ffff}}]){{3}}",
)

SHARED: tuple[Step, ...] = (turned_round, unseen, few_marks, Normalising(_compatible))
MARKED: tuple[Step, ...] = (collapsed,)
PLAIN: tuple[Step, ...] = (
    upright,
    Normalising(_bare),
    Spelling(_LATIN | LIGATURES | PUNCTUATION | _digits()),
    one_script,
    set_apart,
    collapsed,
)
ASCII: tuple[Step, ...] = (controls, set_apart, collapsed)
_ASCII_WORK = re2.compile(rf"[\x00-\x1f\x7f]|  |{_SET_APART_ASCII}")


def is_plain(text: str) -> bool:
    """True if the ASCII steps leave a text as it is. Fast, since most texts are plain."""
    return _ASCII_WORK.search(text.encode()) is None
