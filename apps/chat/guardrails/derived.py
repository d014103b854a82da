"""Fields as others may read them, so that rules find text that is split or escaped. Pure.

Neighbouring fields of one speaker are also read as one text, and strings within JSON as what they stand for. What is
found in a derived text is found in the fields that it is made of.
"""

import re
from bisect import bisect_right
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

from apps.chat.dialects.fields import Field

# Fields are joined with nothing between them, because a word may be split in two, and with a space.
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
    """A text made of segments, in order. In a join, only what crosses a seam is new."""

    text: str
    segments: tuple[Segment, ...]
    is_join: bool

    def places(self, start: int, end: int) -> list[tuple[int, int, int]]:
        """Where `text[start:end]` stands: field, start and end of each place. Empty if it is not new."""
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
    if segment.length != segment.size:  # an escape is taken whole or not at all
        return segment.field, segment.start, segment.start + segment.size
    return segment.field, segment.start + first, segment.start + last


def derived(fields: Sequence[Field]) -> Iterator[DerivedText]:
    """Runs of fields of the same speaker, joined, and JSON texts, decoded. Fields without a speaker join no run."""
    for run in _runs(fields):
        for seam in SEAMS:
            yield _joined(run, fields, seam)
    for number, field in enumerate(fields):
        if field.is_json and "\\" in field.text:
            yield _decoded(number, field.text)


def _runs(fields: Sequence[Field]) -> Iterator[list[int]]:
    """Numbers of fields. A single one is no run."""
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
    """What the strings within a JSON text stand for, one a line. The text need not be valid as a whole."""
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
