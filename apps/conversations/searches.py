"""Searching recorded calls for what a rule would have found, call by call, and the text around what was found.

A replay does this for days of calls, and the sheet before a rule is enforced for as many as two seconds allow. Only the
text that a call added counts: clients resend the history of a conversation, and the rule would find it again in every
later call.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import QuerySet

from apps.common.ids import first_id
from apps.common.models import Job
from apps.conversations.marks import MarkedText, mark
from apps.conversations.models import Call, Turn
from apps.rules.engine.matcher import EngineFailed
from apps.rules.examples import LONGEST_LINE
from apps.rules.models import Rule
from apps.rules.rulebook import Rulebook
from apps.rules.trials import as_compiled

SAMPLES = 20
READ_CALLS = 50  # calls per query for text
READ_TOKENS = 200_000  # tokens per query for text; a longer call is read alone
COLUMNS = ("pk", "membership_id", "started_at", "input_tokens", "output_tokens", "course__timezone")


@dataclass(frozen=True, slots=True)
class CallToSearch:
    """The columns of a call that a replay needs."""

    id: str
    member: int
    at: datetime
    tokens: int
    timezone: str


@dataclass(frozen=True, slots=True)
class TextPosition:
    """The position of a hit. `message` is None for the answer."""

    call: str
    message: int | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class TextOfCall:
    """The text that a call added: messages by position, and the answer under None."""

    parts: dict[int | None, str]

    def of(self, direction: str) -> list[int | None]:
        """Positions of the texts that a rule of this direction looks at."""
        messages = sorted(position for position in self.parts if position is not None)
        answer = [None] if None in self.parts and direction != "prompt" else []
        return [*(messages if direction != "answer" else []), *answer]


@dataclass(slots=True)
class Tally:
    """The totals so far."""

    zone: ZoneInfo
    chance: random.Random
    calls: int = 0
    with_text: int = 0
    unchecked: int = 0
    hit: int = 0
    hit_in_time: int = 0
    members: set[int] = field(default_factory=set)
    daily: dict[date, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    samples: list[TextPosition] = field(default_factory=list)
    sample_of: dict[int, tuple[int, TextPosition]] = field(
        default_factory=dict
    )  # by member: number of hits, and one of them

    def add(
        self, row: CallToSearch, *, has_text: bool, place: TextPosition | None = None, in_time: bool = False
    ) -> None:
        """Count a call, with one of its hits if any, and whether the rule's schedule covered it."""
        self.calls += 1
        if not has_text:
            return
        self.with_text += 1
        self.members.add(row.member)
        day = self.daily[row.at.astimezone(self.zone).date()]
        day[0] += 1
        if place is not None:
            day[1] += 1
            self.hit += 1
            self.hit_in_time += in_time
            self._sample(row.member, place)

    def _sample(self, member: int, place: TextPosition) -> None:
        """Reservoir sampling, over all hits and over those of each student."""
        if len(self.samples) < SAMPLES:
            self.samples.append(place)
        elif (seat := self.chance.randrange(self.hit)) < SAMPLES:
            self.samples[seat] = place
        count, kept = self.sample_of.get(member, (0, place))
        self.sample_of[member] = (count + 1, place if self.chance.randrange(count + 1) == 0 else kept)

    def chosen(self) -> list[TextPosition]:
        """One hit of each student first, so that one busy student does not fill the list; then any others."""
        ones = [place for _, place in self.sample_of.values()]
        self.chance.shuffle(ones)
        chosen = {place.call: place for place in (*ones, *self.samples)}
        return sorted(list(chosen.values())[:SAMPLES], key=lambda place: place.call, reverse=True)

    def result(self) -> dict[str, Any]:
        return {
            "calls": self.calls,
            "with_text": self.with_text,
            "unchecked": self.unchecked,
            "hit": self.hit,
            "hit_in_time": self.hit_in_time,
            "students": len(self.members),
            "students_hit": len(self.sample_of),
            "daily": [[day.isoformat(), *counts] for day, counts in sorted(self.daily.items())],
            "samples": [asdict(place) for place in self.chosen()],
        }


def calls_of(rule: Rule, *, since: datetime, until: datetime) -> QuerySet[Call]:
    calls = Call.objects.filter(pk__gte=first_id(since), pk__lt=first_id(until))
    return calls if rule.course_id is None else calls.filter(course=rule.course_id)


def rows_of(calls: QuerySet[Call], *, most: int) -> list[CallToSearch]:
    """At most so many of these calls, in their order."""
    columns = calls.values_list(*COLUMNS)[:most]
    return [CallToSearch(pk, member, at, sent + got, timezone) for pk, member, at, sent, got, timezone in columns]


def book_of(rule: Rule) -> Rulebook:
    """The rule alone, as if it were enforced now and everywhere, with its exceptions."""
    exceptions = frozenset(rule.exceptions.values_list("text", flat=True)) if rule.pk else frozenset()
    return Rulebook.of([as_compiled(rule, exceptions=exceptions)])


def portions(rows: Sequence[CallToSearch]) -> Iterator[list[CallToSearch]]:
    portion: list[CallToSearch] = []
    tokens = 0
    for row in rows:
        if portion and (len(portion) == READ_CALLS or tokens + row.tokens > READ_TOKENS):
            yield portion
            portion, tokens = [], 0
        portion.append(row)
        tokens += row.tokens
    yield portion


def texts_of(ids: Sequence[str]) -> dict[str, TextOfCall]:
    """The text of these calls, joined from its pieces."""
    parts: dict[str, dict[int | None, str]] = defaultdict(dict)
    turns = Turn.objects.filter(call__in=ids).order_by("call", "seq")
    for call, message, text in turns.values_list("call_id", "message", "text"):
        parts[call][message] = parts[call].get(message, "") + text
    return {call: TextOfCall(found) for call, found in parts.items()}


def look_into(row: CallToSearch, text: TextOfCall | None, rule: Rule, book: Rulebook, tally: Tally) -> None:
    if text is None:
        tally.add(row, has_text=False)
        return
    positions = text.of(rule.direction)
    try:
        hits = book.screen([text.parts[position] for position in positions]).hits
    except EngineFailed:
        tally.unchecked += 1
        hits = ()
    places = (TextPosition(row.id, positions[hit.part], hit.start, hit.end) for hit in hits)
    in_time = rule.schedule.covers(row.at, timezone=row.timezone)
    tally.add(row, has_text=True, place=next(places, None), in_time=in_time)


# Reading a sample


AROUND = 160
LONGEST_FOUND = 400


@dataclass(frozen=True, slots=True)
class Sample:
    """A call in which the rule would have been found, with the text around the place; no pieces if the text is gone."""

    call: Call
    pieces: tuple[MarkedText, ...]
    is_answer: bool
    found: str  # the words that the rule finds
    sentence: str  # the line around them


def samples(job: Job) -> list[Sample]:
    """The samples of a finished replay."""
    return read_again([TextPosition(**place) for place in (job.result or {}).get("samples", [])])


def read_again(places: Sequence[TextPosition]) -> list[Sample]:
    """The text around these places, read now: text deleted since then is not shown.

    This is text of conversations, so showing it counts as reading them.
    """
    calls = Call.objects.select_related("membership__user", "course")
    rows = calls.in_bulk([place.call for place in places])
    texts = texts_of(list(rows))
    return [_sample(place, rows[place.call], texts.get(place.call)) for place in places if place.call in rows]


def _sample(place: TextPosition, call: Call, text: TextOfCall | None) -> Sample:
    whole = text.parts.get(place.message, "") if text else ""
    start, end = place.start, place.end
    first, last = max(0, start - AROUND), min(len(whole), end + AROUND)
    before, found, after = whole[first:start], whole[start:end], whole[end:last]
    pieces = [
        MarkedText("…") if first and whole else None,
        *mark(before, ()),
        *mark(found[:LONGEST_FOUND], [(0, LONGEST_FOUND, "this rule")]),
        MarkedText(" … ") if len(found) > LONGEST_FOUND else None,
        *mark(after, ()),
        MarkedText("…") if last < len(whole) else None,
    ]
    return Sample(
        call,
        tuple(piece for piece in pieces if piece),
        place.message is None,
        found="" if len(found) > LONGEST_FOUND else " ".join(found.split()),
        sentence=_line(whole, start, end),
    )


def _line(whole: str, start: int, end: int) -> str:
    """The line that holds this place, as far as it is near."""
    first = max(whole.rfind("\n", 0, start) + 1, start - AROUND)
    stop = whole.find("\n", end)
    return " ".join(whole[first : min(len(whole) if stop < 0 else stop, end + AROUND)].split())[:LONGEST_LINE]
