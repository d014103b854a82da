"""Fields as somebody else may read them, so that what is cut apart or written in code is found. Pure.

Neighbouring fields of one speaker also read as one text; strings within JSON also read as what they stand for. What is
found in a derived text is found in the fields that it is made of.
"""

import re
from bisect import bisect_right
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

from apps.chat.dialects.fields import Field

# Read one after the other: as if nothing were between them, for a word may be cut in two, and as if a space were.
SEAMS = ("", " ")
_TOKEN = re.compile(r'\\u[0-9a-fA-F]{4}|\\.|"|[^"\\]+', re.DOTALL)
_LONE = re.compile("[\ud800-\udfff]")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


@dataclass(frozen=True, slots=True)
class Segment:
    """`length` characters of a derived text from `offset` on stand for `size` characters of a field from `start` on."""

    offset: int
    length: int
    field: int
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class DerivedText:
    """A text made of segments in order. Of a join, only what crosses a seam is news."""

    text: str
    segments: tuple[Segment, ...]
    is_join: bool

    def places(self, start: int, end: int) -> list[tuple[int, int, int]]:
        """Where `text[start:end]` stands: field, start and end of each place. None if it is no news."""
        found: list[tuple[int, int, int]] = []
        first = max(0, bisect_right(self.segments, start, key=lambda segment: segment.offset) - 1)
        for segment in self.segments[first:]:
            if segment.offset >= end:
                break
            place = _within(segment, start, end)
            if place is None:
                continue
            if found and found[-1][0] == place[0] and found[-1][2] == place[1]:
                place = (place[0], found.pop()[1], place[2])
            found.append(place)
        return [] if self.is_join and len(found) < 2 else found


def _within(segment: Segment, start: int, end: int) -> tuple[int, int, int] | None:
    first, last = max(start - segment.offset, 0), min(end - segment.offset, segment.length)
    if first >= last:
        return None
    if segment.length != segment.size:  # an escape: all of it, or nothing
        return segment.field, segment.start, segment.start + segment.size
    return segment.field, segment.start + first, segment.start + last


def derived(fields: Sequence[Field]) -> Iterator[DerivedText]:
    """Fields in a row that have the same speaker read as one text; those without one are passed over."""
    for run in _runs(fields):
        for seam in SEAMS:
            yield _joined(run, fields, seam)
    for number, field in enumerate(fields):
        if field.is_json and "\\" in field.text:
            yield _decoded(number, field.text)


def _runs(fields: Sequence[Field]) -> Iterator[list[int]]:
    """Numbers of fields. One alone makes no run."""
    run: list[int] = []
    speaking: Hashable = None
    for number, field in enumerate(fields):
        if field.speaker is None:
            continue
        if field.speaker != speaking:
            if len(run) > 1:
                yield run
            run, speaking = [], field.speaker
        run.append(number)
    if len(run) > 1:
        yield run


def _joined(run: Sequence[int], fields: Sequence[Field], seam: str) -> DerivedText:
    segments, offset = [], 0
    for number in run:
        length = len(fields[number].text)
        segments.append(Segment(offset, length, number, 0, length))
        offset += length + len(seam)
    return DerivedText(seam.join(fields[number].text for number in run), tuple(segments), is_join=True)


def _decoded(number: int, text: str) -> DerivedText:
    """What the strings within a JSON text stand for, one a line. It need not be valid JSON as a whole."""
    segments: list[Segment] = []
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
                last = segments[-1]
                segments[-1] = Segment(last.offset, 1, number, last.start, last.size + len(raw))
                continue
            segments.append(Segment(offset, len(meaning), number, token.start(), len(raw)))
        read.append(meaning)
        offset += len(meaning)
    return DerivedText(_LONE.sub("\ufffd", "".join(read)), tuple(segments), is_join=False)


def _meaning(escape: str) -> str:
    return chr(int(escape[2:], 16)) if len(escape) == 6 else _ESCAPES.get(escape[1], escape[1])


def _is_high(text: str) -> bool:
    return len(text) == 1 and "\ud800" <= text <= "\udbff"


def _is_low(text: str) -> bool:
    return len(text) == 1 and "\udc00" <= text <= "\udfff"
