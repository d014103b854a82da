"""The calls of a day: who asks, when, which model, and what comes of it. Pure but for the books, which may refuse."""

import random
from bisect import bisect
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import accumulate
from typing import NamedTuple
from zoneinfo import ZoneInfo

from apps.conversations.call_rows import AttemptRow, CallRow, HitRow, Record
from apps.quotas.weights import Tokens
from apps.rules.models import Rule
from gateway_project.demo_data.books import DemoBooks
from gateway_project.demo_data.plan import HOURS, DemoDay
from gateway_project.demo_data.world import DemoCourse, DemoModel

HIT_SHARE = 0.04  # of the calls
FAILED, RESCUED, LEFT, CRASHED = 0.008, 0.02, 0.01, 0.0005
_HOURS = list(accumulate(HOURS))


class DemoCall(NamedTuple):
    record: Record
    course: DemoCourse


class _Asked(NamedTuple):
    """A call before anybody has answered it."""

    id: str
    course: DemoCourse
    membership_id: int
    model: DemoModel
    at: datetime
    tokens: Tokens
    charge: int
    estimate: int


def calls_of(day: DemoDay, courses: list[DemoCourse], books: DemoBooks, chance: random.Random) -> Iterator[DemoCall]:
    """In the order of their ids, which is that of time."""
    moments = [
        (moment, number)
        for number, course in enumerate(courses)
        if course.is_ready
        for moment in _moments(day, course, day.counts[number], chance)
    ]
    for moment, number in sorted(moments):
        asked = _ask(courses[number], moment, chance)
        yield DemoCall(_answer(asked, books, chance), asked.course)


def _moments(day: DemoDay, course: DemoCourse, count: int, chance: random.Random) -> list[float]:
    """Seconds since the epoch. On the day that is not over, the same hours are pressed together."""
    midnight, share = day.start.timestamp(), day.seconds / 86_400
    offset = ZoneInfo(course.row.timezone).utcoffset(day.start) or (day.start - day.start)
    ahead = offset.total_seconds() / 3600
    hours = chance.choices(range(24), cum_weights=_HOURS, k=count)
    return [midnight + share * 3600 * ((hour - ahead) % 24 * 0.999 + chance.random() * 0.02) for hour in hours]


def _ask(course: DemoCourse, moment: float, chance: random.Random) -> _Asked:
    place = bisect(course.eagerness, chance.random() * course.eagerness[-1])
    model = course.models[min(int(chance.expovariate(1.2)), len(course.models) - 1)]
    tokens = Tokens(
        input=min(30_000, int(chance.lognormvariate(6, 0.8))), output=min(4_000, int(chance.lognormvariate(5.6, 0.8)))
    )
    charge = model.weights.weigh(tokens)
    return _Asked(
        id=_id(moment, chance),
        course=course,
        membership_id=course.members[min(place, len(course.members) - 1)].pk,
        model=model,
        at=datetime.fromtimestamp(moment, UTC),
        tokens=tokens,
        charge=charge,
        estimate=model.weights.weigh(Tokens(input=tokens.input, output=max(1_000, tokens.output))),
    )


def _id(moment: float, chance: random.Random) -> str:
    """As `apps.common.ids.new_id` makes them."""
    bits = chance.getrandbits(12) << 64 | 2 << 62 | chance.getrandbits(62)
    return f"{int(moment * 1000) << 80 | 0x7 << 76 | bits:032x}"


def _answer(asked: _Asked, books: DemoBooks, chance: random.Random) -> Record:
    hits = _hits(asked, chance)
    if any(hit.action == Rule.Action.BLOCK and hit.stage == Rule.Stage.ENFORCE for hit in hits):
        return Record(_row(asked, status="blocked", error_code="blocked_by_rule", duration_ms=3), hits)
    owned = asked.course.row.pk, asked.membership_id
    held = books.reserve(asked.id, *owned, asked.estimate, least=asked.charge, at=asked.at)
    if held is None:
        return Record(_row(asked, status="out_of_quota", error_code="quota_exceeded", duration_ms=5), hits)
    luck = chance.random()
    provider, spare = asked.model.providers
    if luck < FAILED:
        books.release(held, at=asked.at)
        row = _row(asked, status="failed", error_code="upstream_error", attempts=2, duration_ms=900)
        return Record(row, hits, (_attempt(asked, 1, provider), _attempt(asked, 2, spare)))
    if luck < FAILED + CRASHED:
        books.settle(held, asked.charge, at=asked.at, is_expired=True)
        return Record(_row(asked, status="interrupted", error_code="gateway_crashed", charged=asked.charge), hits)
    books.settle(held, asked.charge, at=asked.at)
    is_rescued = luck > 1 - RESCUED
    answered = _answered(asked, spare if is_rescued else provider, chance, attempts=1 + is_rescued)
    attempts = (_attempt(asked, 1, provider), _attempt(asked, 2, spare, "answered")) if is_rescued else ()
    return Record(answered._replace(status="left") if luck < FAILED + CRASHED + LEFT else answered, hits, attempts)


def _answered(asked: _Asked, provider: str, chance: random.Random, *, attempts: int) -> CallRow:
    first = int(chance.lognormvariate(6, 0.5))
    return _row(
        asked,
        provider=provider,
        upstream_model=asked.model.name,
        attempts=attempts,
        is_stream=chance.random() < 0.7,
        input_tokens=asked.tokens.input,
        output_tokens=asked.tokens.output,
        charged=asked.charge,
        first_byte_ms=first,
        duration_ms=first + 12 * asked.tokens.output,
    )


def _row(asked: _Asked, *, status: str = "answered", **more: object) -> CallRow:
    return CallRow(
        id=asked.id,
        course_id=asked.course.row.pk,
        membership_id=asked.membership_id,
        api_key_id=asked.course.keys.get(asked.membership_id),
        model=asked.model.name,
        status=status,
        started_at=asked.at,
        **more,  # type: ignore[arg-type]
    )


def _hits(asked: _Asked, chance: random.Random) -> tuple[HitRow, ...]:
    rules = asked.course.rules
    if not rules or chance.random() >= HIT_SHARE:
        return ()
    rule = rules[int(len(rules) * chance.random() ** 2)]
    if rule.stage == Rule.Stage.DRAFT:
        return ()
    hit = HitRow(
        call_id=asked.id,
        rule_id=rule.pk,
        name=rule.name,
        action=rule.action,
        stage=rule.stage,
        message=0,
        start=0,
        end=12,
        version=rule.version,
    )
    return (hit,)


def _attempt(asked: _Asked, number: int, provider: str, outcome: str = "timeout") -> AttemptRow:
    return AttemptRow(
        call_id=asked.id,
        number=number,
        provider=provider,
        upstream_model=asked.model.name,
        outcome=outcome,
        status=200 if outcome == "answered" else 0,
        milliseconds=400,
    )
