"""Writes the demo data, a transaction a day."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.core.management.color import no_style
from django.db import connection, transaction
from django.db.models import Model

from apps.common.cursor import cursor_on
from apps.conversations import call_rows
from apps.conversations.models import Thread
from apps.quotas.models import LedgerEntry, WeeklyUsage
from gateway_project.demo_data.books import DemoBooks, parts
from gateway_project.demo_data.incidents import note_incidents
from gateway_project.demo_data.petitions import Petitions
from gateway_project.demo_data.plan import Size, days_of
from gateway_project.demo_data.texts import Texts
from gateway_project.demo_data.traffic import calls_of
from gateway_project.demo_data.world import DemoCourse, make_world

NUMBERED: tuple[type[Model], ...] = (LedgerEntry, Thread, WeeklyUsage)  # whose ids are given here


@dataclass(frozen=True, slots=True)
class Filled:
    courses: int
    students: int
    calls: int


def fill(size: Size, *, now: datetime, progress: Callable[[int], None] = lambda calls: None) -> Filled:
    """Make the demo data. `progress` is told how many calls there are so far. Calls come from courses that have
    students, models and an allowance."""
    chance = random.Random(size.seed)  # noqa: S311  # not for secrets
    with transaction.atomic():
        courses = make_world(size, now=now, chance=chance)
        note_incidents(size, now=now, chance=random.Random(size.seed))  # noqa: S311  # not for secrets
    made = _calls(size, courses, now=now, chance=chance, progress=progress)
    return Filled(len(courses), sum(len(course.members) for course in courses), made)


def _calls(
    size: Size, courses: list[DemoCourse], *, now: datetime, chance: random.Random, progress: Callable[[int], None]
) -> int:
    books = DemoBooks({course.row.pk: course for course in courses})
    texts = Texts(size.text_share, chance)
    petitions = Petitions(books, chance, now)
    made = 0
    popular = [course.popularity if course.is_ready else 0.0 for course in courses]
    for day in days_of(size, popular=popular, now=now, chance=chance):
        records = []
        for call in calls_of(day, courses, books, chance):
            records.append(call.record)
            texts.add(call)
            petitions.add(call)
        with transaction.atomic():
            cursor = cursor_on(connection)
            for part in parts(records):
                call_rows.insert(cursor, part)
            books.write(cursor)
            texts.write(cursor)
            petitions.write()
        made += len(records)
        progress(made)
    with transaction.atomic():
        books.close(cursor_on(connection))
        _count_on()
    return made


def _count_on() -> None:
    """Have PostgreSQL's sequences continue after the ids that were given."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), list(NUMBERED)):
            cursor.execute(statement)
