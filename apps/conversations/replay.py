"""Replay: a job that searches a course's recorded calls for what a rule would have found.

It reads recorded text in short queries by primary key, screens it as the rule engine does, and keeps numbers and
positions, never text. Only the text that a call added counts: clients resend the history of a conversation, and the
rule would find it again in every later call.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import QuerySet

from apps.accounts.audit import record
from apps.accounts.models import User
from apps.common.ids import first_id
from apps.common.jobs import JobFailed, Report, ask, job
from apps.common.models import Job
from apps.conversations.marks import MarkedText, mark
from apps.conversations.models import Call, Turn
from apps.rules.engine.matcher import EngineFailed
from apps.rules.models import Rule
from apps.rules.rulebook import Rulebook
from apps.rules.trials import as_compiled

KIND = "rule-replay"
SPANS = (7, 30)  # days
SAMPLES = 20
BATCH = 200  # calls per query
READ_CALLS = 50  # calls per query for text
READ_TOKENS = 200_000  # tokens per query for text; a longer call is read alone


@dataclass(frozen=True, slots=True)
class _CallToSearch:
    """The columns of a call that a replay needs."""

    id: str
    member: int
    at: datetime
    tokens: int
    timezone: str


@dataclass(frozen=True, slots=True)
class _TextPosition:
    """The position of a hit. `message` is None for the answer."""

    call: str
    message: int | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Text:
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
    samples: list[_TextPosition] = field(default_factory=list)
    sample_of: dict[int, tuple[int, _TextPosition]] = field(
        default_factory=dict
    )  # by member: number of hits, and one of them

    def add(
        self, row: _CallToSearch, *, has_text: bool, place: _TextPosition | None = None, in_time: bool = False
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

    def _sample(self, member: int, place: _TextPosition) -> None:
        """Reservoir sampling, over all hits and over those of each student."""
        if len(self.samples) < SAMPLES:
            self.samples.append(place)
        elif (seat := self.chance.randrange(self.hit)) < SAMPLES:
            self.samples[seat] = place
        count, kept = self.sample_of.get(member, (0, place))
        self.sample_of[member] = (count + 1, place if self.chance.randrange(count + 1) == 0 else kept)

    def _chosen(self) -> list[_TextPosition]:
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
            "samples": [asdict(place) for place in self._chosen()],
        }


def ask_for(rule: Rule, *, days: int, author: int, page: str, now: datetime) -> Job:
    """Ask for a replay of the rule as it is stored now. Raises TooManyJobs."""
    return ask(
        kind=KIND,
        subject=subject(rule),
        title=f"Replay of {rule.name} over {days} days",
        params={"rule": rule.pk, "days": days, "version": rule.version},
        author=author,
        course=rule.course_id,
        page=page,
        now=now,
    )


def subject(rule: Rule) -> str:
    """The subject of a rule's jobs, by which they are found."""
    return f"rule {rule.pk}"


@job(KIND)
def replay(job: Job, report: Report) -> dict[str, Any]:
    rule = Rule.objects.filter(pk=job.params["rule"]).select_related("course").first()
    if rule is None:
        raise JobFailed("The rule has been deleted.")
    if not _may_still_see(job.author, rule):
        raise JobFailed("Whoever asked for it may no longer see this rule.")
    exceptions = frozenset(rule.exceptions.values_list("text", flat=True))
    book = Rulebook.of([as_compiled(rule, exceptions=exceptions)])
    since = job.created_at - timedelta(days=job.params["days"])
    calls = _calls(rule, since=since, until=job.created_at)
    tally = Tally(rule.zone, random.Random(job.pk))  # noqa: S311  # a fair choice, not a secret one
    total = calls.count()
    for rows in _batches(calls):
        texts = _texts([row.id for row in rows])
        for row in rows:
            _look(row, texts.get(row.id), rule, book, tally)
        report(min(tally.calls, total), total)
    report(total, total)
    result = {"version": rule.version, **tally.result()}
    record("rule.replayed", subject=rule, after={"job": job.pk, "days": job.params["days"], "calls": result["calls"]})
    return result


def _may_still_see(author: int | None, rule: Rule) -> bool:
    """People who leave while a job waits have no more work done. Jobs of commands have no author."""
    if author is None:
        return True
    person = User.objects.filter(pk=author).first()
    return person is not None and Rule.objects.for_staff(person).filter(pk=rule.pk).exists()


def _calls(rule: Rule, *, since: datetime, until: datetime) -> QuerySet[Call]:
    calls = Call.objects.filter(pk__gte=first_id(since), pk__lt=first_id(until))
    return calls if rule.course_id is None else calls.filter(course=rule.course_id)


def _batches(calls: QuerySet[Call]) -> Iterator[list[_CallToSearch]]:
    """All rows in order, in batches whose text is short enough to be read at once."""
    last = ""
    while True:
        found = calls.filter(pk__gt=last).order_by("pk")[:BATCH]
        columns = found.values_list(
            "pk", "membership_id", "started_at", "input_tokens", "output_tokens", "course__timezone"
        )
        rows = [_CallToSearch(pk, member, at, sent + got, timezone) for pk, member, at, sent, got, timezone in columns]
        if not rows:
            return
        last = rows[-1].id
        yield from _portions(rows)


def _portions(rows: Sequence[_CallToSearch]) -> Iterator[list[_CallToSearch]]:
    portion: list[_CallToSearch] = []
    tokens = 0
    for row in rows:
        if portion and (len(portion) == READ_CALLS or tokens + row.tokens > READ_TOKENS):
            yield portion
            portion, tokens = [], 0
        portion.append(row)
        tokens += row.tokens
    yield portion


def _texts(ids: Sequence[str]) -> dict[str, _Text]:
    """The text of these calls, joined from its pieces."""
    parts: dict[str, dict[int | None, str]] = defaultdict(dict)
    turns = Turn.objects.filter(call__in=ids).order_by("call", "seq")
    for call, message, text in turns.values_list("call_id", "message", "text"):
        parts[call][message] = parts[call].get(message, "") + text
    return {call: _Text(found) for call, found in parts.items()}


def _look(row: _CallToSearch, text: _Text | None, rule: Rule, book: Rulebook, tally: Tally) -> None:
    if text is None:
        tally.add(row, has_text=False)
        return
    positions = text.of(rule.direction)
    try:
        hits = book.screen([text.parts[position] for position in positions]).hits
    except EngineFailed:
        tally.unchecked += 1
        hits = ()
    places = (_TextPosition(row.id, positions[hit.part], hit.start, hit.end) for hit in hits)
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


def samples(job: Job) -> list[Sample]:
    """The samples of a finished replay, read again: text deleted since then is not shown.

    This is text of conversations, so showing it counts as reading them.
    """
    places = (job.result or {}).get("samples", [])
    calls = Call.objects.select_related("membership__user", "course")
    rows = calls.in_bulk([place["call"] for place in places])
    texts = _texts(list(rows))
    stored = (_TextPosition(**place) for place in places)
    return [_sample(place, rows[place.call], texts.get(place.call)) for place in stored if place.call in rows]


def _sample(place: _TextPosition, call: Call, text: _Text | None) -> Sample:
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
    return Sample(call, tuple(piece for piece in pieces if piece), place.message is None)
