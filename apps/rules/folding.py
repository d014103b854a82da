"""Folded copies of a text, in which disguised words stand plainly, and the way back to the original.

Pure: no Django, no I/O. Every step takes time linear in the text.
"""

import re
from dataclasses import dataclass
from functools import cached_property

_GAP = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Span:
    """A match: `text[start:end]`."""

    start: int
    end: int


@dataclass(frozen=True)
class Folded:
    """A text and its folded copy. `span` and `origin` lead from places in the copy to places in the original."""

    original: str
    text: str

    def origin(self, index: int) -> int:
        """Where in the original the folded character number `index` begins; the length for the end of the copy."""
        return len(self.original) if index >= len(self.text) else self._starts[index]

    def span(self, start: int, end: int) -> Span:
        """What of the original became `text[start:end]`."""
        if start >= end:
            return Span(self.origin(start), self.origin(start))
        return Span(self._starts[start], self._ends[end - 1])

    @cached_property
    def _starts(self) -> list[int]:
        return [start for start, _ in self._pieces]

    @cached_property
    def _ends(self) -> list[int]:
        return [end for _, end in self._pieces]

    @cached_property
    def _pieces(self) -> list[tuple[int, int]]:
        pieces: list[tuple[int, int]] = []
        at = 0
        for gap in _GAP.finditer(self.original):
            pieces.extend((place, place + 1) for place in range(at, gap.start()))
            pieces.append(gap.span())
            at = gap.end()
        pieces.extend((place, place + 1) for place in range(at, len(self.original)))
        return pieces


def fold(text: str) -> Folded:
    return Folded(text, _GAP.sub(" ", text))
