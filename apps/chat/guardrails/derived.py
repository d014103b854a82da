"""Views: surfaces as somebody else may read them, so that what is cut apart or written in code is found. Pure.

Parts of a message, and messages of the user that follow one another, also read as one text; strings within JSON also
read as what they stand for. What is found in a view is found in the surfaces that it is made of.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

from apps.chat.guardrails.fields import Surface

# Read one after the other: as if nothing were between them, for a word may be cut in two, and as if a space were.
SEAMS = ("", " ")
_TOKEN = re.compile(r'\\u[0-9a-fA-F]{4}|\\.|"|[^"\\]+', re.DOTALL)
_LONE = re.compile("[\ud800-\udfff]")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


@dataclass(frozen=True, slots=True)
class Piece:
    """`length` characters of a view from `offset` on stand for `size` characters of a surface from `start` on."""

    offset: int
    length: int
    surface: int
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class View:
    """A text made of pieces in order. Of a join, only what crosses a seam is news."""

    text: str
    pieces: tuple[Piece, ...]
    is_join: bool

    def places(self, start: int, end: int) -> list[tuple[int, int, int]]:
        """Where `text[start:end]` stands: surface, start and end of each place. None if it is no news."""
        found: list[tuple[int, int, int]] = []
        first = max(0, bisect_right(self.pieces, start, key=lambda piece: piece.offset) - 1)
        for piece in self.pieces[first:]:
            if piece.offset >= end:
                break
            place = _within(piece, start, end)
            if place is None:
                continue
            if found and found[-1][0] == place[0] and found[-1][2] == place[1]:
                place = (place[0], found.pop()[1], place[2])
            found.append(place)
        return [] if self.is_join and len(found) < 2 else found


def _within(piece: Piece, start: int, end: int) -> tuple[int, int, int] | None:
    first, last = max(start - piece.offset, 0), min(end - piece.offset, piece.length)
    if first >= last:
        return None
    if piece.length != piece.size:  # an escape: all of it, or nothing
        return piece.surface, piece.start, piece.start + piece.size
    return piece.surface, piece.start + first, piece.start + last


def views(surfaces: Sequence[Surface], speaker: Callable[[Surface], Hashable]) -> Iterator[View]:
    """Surfaces in a row that have the same speaker read as one text; those without one are passed over."""
    for run in _runs(surfaces, speaker):
        for seam in SEAMS:
            yield _joined(run, surfaces, seam)
    for number, surface in enumerate(surfaces):
        if surface.is_json and "\\" in surface.text:
            yield _decoded(number, surface.text)


def _runs(surfaces: Sequence[Surface], speaker: Callable[[Surface], Hashable]) -> Iterator[list[int]]:
    """Numbers of surfaces. One alone makes no run."""
    run: list[int] = []
    speaking: Hashable = None
    for number, surface in enumerate(surfaces):
        now = speaker(surface)
        if now is None:
            continue
        if now != speaking:
            if len(run) > 1:
                yield run
            run, speaking = [], now
        run.append(number)
    if len(run) > 1:
        yield run


def _joined(run: Sequence[int], surfaces: Sequence[Surface], seam: str) -> View:
    pieces, offset = [], 0
    for number in run:
        length = len(surfaces[number].text)
        pieces.append(Piece(offset, length, number, 0, length))
        offset += length + len(seam)
    return View(seam.join(surfaces[number].text for number in run), tuple(pieces), is_join=True)


def _decoded(number: int, text: str) -> View:
    """What the strings within a JSON text stand for, one a line. It need not be valid JSON as a whole."""
    pieces: list[Piece] = []
    read: list[str] = []
    offset, is_inside = 0, False
    for token in _TOKEN.finditer(text):
        raw = token[0]
        if raw == '"':
            is_inside = not is_inside
            raw, meaning = "", "" if is_inside else "\n"
        else:
            meaning = "" if not is_inside else _meaning(raw) if raw[0] == "\\" else raw
        if meaning and raw:
            if len(raw) != len(meaning) and _is_low(meaning) and read and _is_high(read[-1]):
                read[-1] = (read[-1] + meaning).encode("utf-16", "surrogatepass").decode("utf-16")
                last = pieces[-1]
                pieces[-1] = Piece(last.offset, 1, number, last.start, last.size + len(raw))
                continue
            pieces.append(Piece(offset, len(meaning), number, token.start(), len(raw)))
        read.append(meaning)
        offset += len(meaning)
    return View(_LONE.sub("\ufffd", "".join(read)), tuple(pieces), is_join=False)


def _meaning(escape: str) -> str:
    return chr(int(escape[2:], 16)) if len(escape) == 6 else _ESCAPES.get(escape[1], escape[1])


def _is_high(text: str) -> bool:
    return len(text) == 1 and "\ud800" <= text <= "\udbff"


def _is_low(text: str) -> bool:
    return len(text) == 1 and "\udc00" <= text <= "\udfff"
