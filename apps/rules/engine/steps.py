"""The kinds of steps that fold a text. Each turns a text into another, and can trace what came from where.

Pure. Each takes time linear in the text, however hostile: a step looks first whether it has anything to do, and leaves
the work to C. `trace` is slower; it is called only for texts in which something was found.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Protocol

import re2

from apps.rules.engine.pattern import quote

Range = tuple[int, int]


class Step(Protocol):
    keeps_order: bool

    def __call__(self, text: str) -> str: ...

    def trace(self, text: str) -> list[Range]:
        """For each character of the result, the range of the text that it came from."""


class Spelling:
    """Replaces single characters."""

    keeps_order = True

    def __init__(self, table: Mapping[str, str]) -> None:
        self._table = table
        self._hint = re2.compile(f"[{''.join(map(quote, table))}]")

    def __call__(self, text: str) -> str:
        # A missing key costs an exception in `translate`, so the table gets every character of the text.
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
        """`new` makes the replacement of a match. `places` says from where in the match each of its characters comes.

        `hint` is a cheap pattern for RE2. Where it does not match, `pattern` cannot match either.
        """
        self._pattern = re.compile(pattern)
        self._new = new
        self._places = places
        self._hint = re2.compile(hint)
        self.keeps_order = keeps_order

    def __call__(self, text: str) -> str:
        if self._hint.search(text) is None:
            return text
        new = cache(self._new)  # words repeat within a text
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
        """Works by cluster: no character outside a cluster changes what becomes of it."""
        ranges: list[Range] = []
        made = []
        for match in _clusters().finditer(text):
            made.append(self._normal(match.group()))
            ranges.extend([match.span()] * len(made[-1]))
        whole = self(text)
        return ranges if "".join(made) == whole else [(0, len(text))] * len(whole)


class Collapsing:
    """Turns each run of white space into a space, or into a line break if it holds at least two of them.

    So wrapped lines are joined, and paragraphs stay apart.
    """

    keeps_order = True

    _RUN = re.compile(r"\s+")
    _OTHERS = "\t\r\x0b\x0c\x1c\x1d\x1e\x1f"
    _WIDE = (
        "\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
    )
    _PARAGRAPH = "\x1e"  # itself white space, of which none is left by then

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
    # Each round shortens runs to about an eighth, so that all rounds together are linear.
    while character * 2 in text:
        text = text.replace(character * 4, character).replace(character * 2, character)
    return text


# Marks, and the two half-width characters that become marks.
JOINING = r"[\pM\x{ff9e}\x{ff9f}]"


def everything() -> Iterator[str]:
    """All characters beyond ASCII that may need folding: not ideographs above U+20000, and not private ones.

    In parts, since all at once leave holes of a megabyte in the memory.
    """
    for first, last in ((0x80, 0xD800), (0xE000, 0x20000), (0xE0000, 0xE01F0)):
        for start in range(first, last, 256):
            yield "".join(map(chr, range(start, min(start + 256, last))))


@cache
def marks() -> str:
    """All of them as ranges, since Python's `re` has no Unicode classes."""
    pattern = re2.compile(JOINING + "+")
    runs = [run.group() for part in everything() for run in pattern.finditer(part)]
    return "".join(f"{run[0]}-{run[-1]}" for run in runs)


@cache
def _clusters() -> re.Pattern[str]:
    """A character with everything that can join it: marks, and the later letters of a Hangul syllable."""
    joins = f"{marks()}\u1160-\u11ff\ud7b0-\ud7ff\U00011930\U000113b8-\U000113c9\U00016d67"
    return re.compile(f"[^{joins}]?[{joins}]+|[^{joins}]", re.DOTALL)
