"""Folded copies of a text, in which disguised words appear plainly, and the mapping back to the original.

Pure: no Django, no I/O. A text is folded step by step (see `normal_forms`), a piece at a time, so that every step takes
time linear in the text and other threads get their turn. There are two copies:

- `marked` has no invisible characters, is in compatibility form (NFKC), and has its white space collapsed.
- `plain` also has no accents, look-alike letters or letters set apart, so it is mostly ASCII.

A rule is searched for in both and in the raw text: `Käse` is found in `marked`, and never in a text that says `Kase`.
Case is kept: `(?i)` in a pattern ignores it in every copy, and a pattern without it never does.

Positions in the original are computed only when asked for, and only for the pieces concerned.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from apps.rules.engine.normal_forms import ASCII, MARKED, PLAIN, SHARED, is_plain
from apps.rules.engine.re2_limits import pause
from apps.rules.engine.steps import Range, Step
from apps.rules.engine.unicode_words import count, spell_text

PIECE = 8_192  # characters
_LOOK_BACK = 2_048  # how far before its limit a piece may end at a good place
_NEAR = 128  # where most pieces find one


@dataclass(frozen=True, slots=True)
class Span:
    """A match: `text[start:end]`."""

    start: int
    end: int


@dataclass(frozen=True)
class FoldedPiece:
    """A folded piece of the original. `history` has the steps that changed it, each with its input."""

    text: str
    at: int  # where it begins in the original
    length: int  # in the original
    history: tuple[tuple[Step, str], ...] = ()

    @cached_property
    def ranges(self) -> list[Range]:
        """For each folded character, the range of the original that it came from."""
        ranges: list[Range] | None = None
        for step, before in self.history:
            ranges = _composed(ranges, step.trace(before))
        if ranges is None:
            return [(place, place + 1) for place in range(self.at, self.at + self.length)]
        return [(self.at + start, self.at + end) for start, end in ranges]

    def range(self, start: int, end: int) -> Range:
        """The range of the original for the folded characters from `start` to `end`, or to the end of the piece."""
        end = min(end, len(self.text))
        if not self.history:
            return self.at + start, self.at + end
        if all(step.keeps_order for step, _ in self.history):
            return self.ranges[start][0], self.ranges[end - 1][1]
        ranges = self.ranges[start:end]
        return min(begin for begin, _ in ranges), max(finish for _, finish in ranges)


def _composed(first: list[Range] | None, second: list[Range]) -> list[Range]:
    if first is None:
        return second
    return [
        first[start] if end - start == 1 else (min(r[0] for r in first[start:end]), max(r[1] for r in first[start:end]))
        for start, end in second
    ]


@dataclass(frozen=True)
class FoldedCopy:
    """One copy of a text. `span` and `origin` map places in it to places in the original."""

    text: str
    pieces: tuple[FoldedPiece, ...]

    def origin(self, index: int) -> int:
        """The position in the original of character number `index`; the original's length for the end."""
        if index >= len(self.text):
            return sum(piece.length for piece in self.pieces)
        return self.span(index, index + 1).start

    def span(self, start: int, end: int) -> Span:
        """The span of the original that became `text[start:end]`."""
        if start >= end:
            return Span(self.origin(start), self.origin(start))
        first, last = (bisect_right(self._offsets, index) - 1 for index in (start, end - 1))
        ranges = [
            self.pieces[number].range(max(0, start - self._offsets[number]), end - self._offsets[number])
            for number in range(first, last + 1)
            if self.pieces[number].text
        ]
        return Span(min(begin for begin, _ in ranges), max(finish for _, finish in ranges))

    @cached_property
    def is_ascii(self) -> bool:
        return self.text.isascii()

    @cached_property
    def haystack(self) -> bytes:
        """The bytes that RE2 searches: the text, spelled out unless it is all ASCII."""
        if self.is_ascii:
            return self.text.encode()
        return b"".join(spell_text(part).encode() for part in self._parts())

    def _parts(self) -> Iterator[str]:
        for at in range(0, len(self.text), PIECE):
            yield self.text[at : at + PIECE]
            pause()

    def place(self, index: int) -> int:
        """The offset of a character in the haystack."""
        before = self.text[:index]
        return len(before if self.is_ascii else spell_text(before).encode())

    def count(self, start: int, end: int) -> int:
        """The number of characters for which a range of the haystack stands."""
        return end - start if self.is_ascii else count(self.haystack[start:end])

    @cached_property
    def _offsets(self) -> list[int]:
        offsets, at = [], 0
        for piece in self.pieces:
            offsets.append(at)
            at += len(piece.text)
        return offsets


@dataclass(frozen=True)
class Folded:
    """A text and its copies: the raw text, and the folded ones that differ from it. `plain` is the most folded one."""

    original: str
    copies: tuple[FoldedCopy, ...]
    plain: FoldedCopy

    @property
    def text(self) -> str:
        """The most folded copy."""
        return self.plain.text

    def origin(self, index: int) -> int:
        """The position in the original of character number `index` of the most folded copy."""
        return self.plain.origin(index)

    def span(self, start: int, end: int) -> Span:
        """The span of the original that became `text[start:end]`."""
        return self.plain.span(start, end)


def fold(text: str) -> Folded:
    """A text and its folded copies. Linear: 0.1 to 0.6 ms for 32 kB of ASCII, some 10 ms for 32 kB of many scripts."""
    if is_left_alone(text):
        copy = FoldedCopy(text, (FoldedPiece(text, 0, len(text)),))
        return Folded(text, (copy,), copy)
    raw = FoldedPiece(_clean(text), 0, len(text))
    marked, plain = [], []
    for piece in [raw] if len(text) <= PIECE else _pieces(raw.text):
        if piece.text.isascii():
            both = piece if is_plain(piece.text) else _walk(piece, ASCII)
            marked.append(both)
            plain.append(both)
        else:
            shared = _walk(piece, SHARED)
            marked.append(_walk(shared, MARKED))
            plain.append(_walk(shared, PLAIN))
        if piece is not raw:
            pause()
    copies = [FoldedCopy(raw.text, (raw,)), _joined(marked), _joined(plain)]
    distinct = {copy.text: copy for copy in reversed(copies)}
    return Folded(text, tuple(reversed(distinct.values())), copies[-1])


def is_left_alone(text: str) -> bool:
    """Whether a text is its only copy. If texts joined by a sign are, then so is each of them."""
    return len(text) <= PIECE and text.isascii() and is_plain(text)


def _clean(text: str) -> str:
    """Replace lone surrogates, which RE2 does not accept, by question marks."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="replace").decode()
    return text


def _walk(piece: FoldedPiece, steps: Sequence[Step]) -> FoldedPiece:
    text, history = piece.text, list(piece.history)
    for step in steps:
        after = step(text)
        if after != text:
            history.append((step, text))
            text = after
    return FoldedPiece(text, piece.at, piece.length, tuple(history))


def _joined(pieces: Sequence[FoldedPiece]) -> FoldedCopy:
    return FoldedCopy("".join(piece.text for piece in pieces), tuple(pieces))


def _pieces(text: str) -> Iterator[FoldedPiece]:
    """Split the text after words where possible, so that cutting does not change how anything is folded."""
    at = 0
    while at < len(text):
        end = _end_of_piece(text, at + PIECE)
        yield FoldedPiece(text[at:end], at, end - at)
        at = end


_GOOD_END = re.compile(r"\w\w\s(?=\w\w)")


def _end_of_piece(text: str, limit: int) -> int:
    if limit >= len(text):
        return len(text)
    for back in (_NEAR, _LOOK_BACK):
        ends = [match.end() for match in _GOOD_END.finditer(text, limit - back, limit)]
        if ends:
            return ends[-1]
    return limit
