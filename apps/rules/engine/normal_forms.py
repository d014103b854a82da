"""The steps of folding. Each takes a text and gives one, and can tell what of the one became what of the other.

Pure. Each takes time linear in the text, however hostile: a step looks first whether there is anything for it to do,
and what it does is left to C. `trace` is slower; it is asked only about texts in which something was found.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Protocol

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
from apps.rules.engine.pattern import quote

Range = tuple[int, int]
MAX_MARKS = 30  # of combining characters in a row: putting them in order takes quadratic time


class Step(Protocol):
    keeps_order: bool

    def __call__(self, text: str) -> str: ...

    def trace(self, text: str) -> list[Range]:
        """For each character of the result, the range of the text that became it."""


class Spelling:
    """Replaces single characters."""

    keeps_order = True

    def __init__(self, table: Mapping[str, str]) -> None:
        self._table = table
        self._hint = re2.compile(f"[{''.join(map(quote, table))}]")

    def __call__(self, text: str) -> str:
        """A missing key costs an exception in `translate`, so the table it gets names every character of the text."""
        if self._hint.search(text) is None:
            return text
        distinct = set(text)
        return text.translate({ord(character): self._table.get(character, character) for character in distinct})

    def trace(self, text: str) -> list[Range]:
        return [
            (place, place + 1)
            for place, character in enumerate(text)
            for _ in range(len(self._table.get(character, character)))
        ]


class Rewriting:
    """Replaces what a pattern matches."""

    def __init__(
        self,
        pattern: str,
        new: Callable[[str], str],
        places: Callable[[str], Sequence[int]],
        *,
        hint: str,
        keeps_order: bool = True,
    ) -> None:
        """What `new` makes of a match comes, character by character, from those `places` in the match.

        The hint is a quick pattern, for RE2, without which the other cannot match.
        """
        self._pattern = re.compile(pattern)
        self._new = new
        self._places = places
        self._hint = re2.compile(hint)
        self.keeps_order = keeps_order

    def __call__(self, text: str) -> str:
        if self._hint.search(text) is None:
            return text
        new = cache(self._new)  # texts repeat their words
        return self._pattern.sub(lambda match: new(match.group()), text)

    def trace(self, text: str) -> list[Range]:
        ranges: list[Range] = []
        at = 0
        for match in self._pattern.finditer(text):
            ranges.extend((place, place + 1) for place in range(at, match.start()))
            ranges.extend((match.start() + place, match.start() + place + 1) for place in self._places(match.group()))
            at = match.end()
        ranges.extend((place, place + 1) for place in range(at, len(text)))
        return ranges


class Normalising:
    """Brings characters and their combining marks into a normal form."""

    keeps_order = True

    def __init__(self, normal: Callable[[str], str]) -> None:
        self._normal = normal

    def __call__(self, text: str) -> str:
        return self._normal(text)

    def trace(self, text: str) -> list[Range]:
        """Cluster by cluster: no character outside of a cluster changes what becomes of it."""
        ranges: list[Range] = []
        made = []
        for match in _clusters().finditer(text):
            made.append(self._normal(match.group()))
            ranges.extend([match.span()] * len(made[-1]))
        whole = self(text)
        return ranges if "".join(made) == whole else [(0, len(text))] * len(whole)


# Marks, and the two half-width ones that become marks.
_JOINING = r"[\pM\x{ff9e}\x{ff9f}]"


_EVERYTHING = "".join(map(chr, [*range(0x80, 0xD800), *range(0xE000, 0x20000), *range(0xE0000, 0xE01F0)]))


@cache
def _marks() -> str:
    """All of them, as ranges for Python's `re`, which does not know classes."""
    return "".join(f"{run.group()[0]}-{run.group()[-1]}" for run in re2.finditer(_JOINING + "+", _EVERYTHING))


def _digits() -> dict[str, str]:
    """The digits of all scripts."""
    return {c: str(unicodedata.decimal(c)) for c in _EVERYTHING if c.isdecimal()}


@cache
def _clusters() -> re.Pattern[str]:
    """A character with all that can join it: marks, and the later letters of a Hangul syllable."""
    joins = f"{_marks()}\u1160-\u11ff\ud7b0-\ud7ff\U00011930\U000113b8-\U000113c9\U00016d67"
    return re.compile(f"[^{joins}]?[{joins}]+|[^{joins}]", re.DOTALL)


def _compatible(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


_ACCENTS = re.compile("[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")


def _bare(text: str) -> str:
    """Without the marks of Latin, Greek and Cyrillic. Those of other scripts are letters in their own right."""
    apart = unicodedata.normalize("NFD", text)
    bare = _ACCENTS.sub("", apart)
    return text if len(bare) == len(apart) else unicodedata.normalize("NFC", bare)


class Collapsing:
    """White space: a run of it becomes a space, or a line break if it holds at least two.

    A line that is wrapped goes on; a paragraph ends.
    """

    keeps_order = True

    _RUN = re.compile(r"\s+")
    _OTHERS = "\t\r\x0b\x0c\x1c\x1d\x1e\x1f"
    _WIDE = (
        "\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
    )
    _PARAGRAPH = "\x1e"  # white space, of which none is left by then

    def __call__(self, text: str) -> str:
        for other in self._OTHERS if text.isascii() else self._OTHERS + self._WIDE:
            text = text.replace(other, " ")
        text = _without_doubles(text, " ")
        if "\n" not in text:
            return text
        text = text.replace(" \n", "\n").replace("\n ", "\n")
        text = text.replace("\n\n", self._PARAGRAPH)
        text = _without_doubles(text.replace(self._PARAGRAPH + "\n", self._PARAGRAPH), self._PARAGRAPH)
        return text.replace("\n", " ").replace(self._PARAGRAPH, "\n")

    def trace(self, text: str) -> list[Range]:
        ranges: list[Range] = []
        at = 0
        for match in self._RUN.finditer(text):
            ranges.extend((place, place + 1) for place in range(at, match.start()))
            ranges.append(match.span())
            at = match.end()
        ranges.extend((place, place + 1) for place in range(at, len(text)))
        return ranges


def _without_doubles(text: str, character: str) -> str:
    """Each round shortens the runs to an eighth or so, so that all rounds together are linear."""
    while character * 2 in text:
        text = text.replace(character * 4, character).replace(character * 2, character)
    return text


def _reversed(overridden: str) -> str:
    """What stands after a right-to-left override, and before its end, is read from the other end."""
    return overridden.strip(_OVERRIDE)[::-1]


def _reversed_places(overridden: str) -> Sequence[int]:
    return range(len(overridden.rstrip(_OVERRIDE)) - 1, 0, -1)


_CYRILLIC_FOR = str.maketrans(CYRILLIC)
_LATIN_FOR = {ord(other): letter for letter, others in LOOKALIKES.items() for other in others}
_ASCII_LETTER = re.compile("[A-Za-z]")
_CYRILLIC_WORD = re.compile("[\u0400-\u052f]+")


def _unmixed(word: str) -> str:
    """A word that mixes scripts in the script that it seems to be in. A word of one script stays as it is."""
    if word.isascii() or _ASCII_LETTER.search(word) is None:
        return word
    latin = word.translate(_LATIN_FOR)
    if latin.isascii():
        return latin
    cyrillic = word.translate(_CYRILLIC_FOR)
    return cyrillic if _CYRILLIC_WORD.fullmatch(cyrillic) else latin


_UPRIGHT = str.maketrans(FLIPPED | FLIPPED_ASCII)


def _upright(flipped: str) -> str:
    """What is written upside down is read from the other end."""
    return flipped.translate(_UPRIGHT)[::-1]


def _unseen() -> dict[str, str]:
    """Characters that cannot be seen, and what those stand for that only machines see."""
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
    """Letters in circles and squares that NFKC leaves alone, flags, small capitals."""
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
    """Characters that NFKC makes more than four of, and the four that are kept of them."""
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
    f"[{_marks()}]{{{MAX_MARKS + 1},}}",
    lambda run: run[:MAX_MARKS],
    lambda run: range(MAX_MARKS),
    hint=rf"{_JOINING}{{{MAX_MARKS + 1}}}",
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
    """Whether the ASCII steps leave a text as it is. One quick look, for most texts are such."""
    return _ASCII_WORK.search(text.encode()) is None
