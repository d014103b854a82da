"""How much demo data there is, and how calls spread over days, courses and hours. Pure."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

DAY = 86_400.0
WEEKDAYS = (1.2, 1.3, 1.3, 1.2, 0.9, 0.5, 0.7)  # from Monday
HOURS = (1, 1, 0, 0, 0, 0, 0, 1, 3, 6, 8, 8, 7, 8, 9, 9, 8, 7, 6, 6, 7, 8, 6, 3)  # of a course's day
DEADLINE = 3.0  # how much more is asked on the days before a deadline
SPREAD = 0.9  # of the sizes of courses, and of the eagerness of students


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What to make. The last day ends at the instant that `fill` is given."""

    calls: int = 1_000
    courses: int = 8
    students: int = 30  # a course
    days: int = 56
    text_share: float = 0.06  # of the calls, with their text
    seed: int = 1

    @property
    def weekly_calls_of_a_student(self) -> float:
        return self.calls / max(1, self.courses * self.students) / max(1.0, self.days / 7)


@dataclass(frozen=True, slots=True)
class DemoDay:
    """A day in UTC, of which the calls come within the first `seconds`; `counts` has the calls by course."""

    start: datetime
    seconds: float
    counts: tuple[int, ...]


def days_of(size: Size, *, popular: Sequence[float], now: datetime, chance: random.Random) -> list[DemoDay]:
    """The days up to `now`, with exactly `size.calls` calls, shared among the courses as they are popular."""
    deadlines = [(chance.randrange(14), chance.randrange(5)) for _ in range(size.courses)]
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    starts = [today - timedelta(days=size.days - 1 - n) for n in range(size.days)]
    lengths = [min(DAY, (now - start).total_seconds()) for start in starts]
    weights = [
        length / DAY * WEEKDAYS[start.weekday()] * (0.6 + 0.6 * n / size.days) * popular[course] * _rush(n, deadline)
        for n, (start, length) in enumerate(zip(starts, lengths, strict=True))
        for course, deadline in enumerate(deadlines)
    ]
    counts = apportion(size.calls, weights)
    rows = [tuple(counts[n * size.courses : (n + 1) * size.courses]) for n in range(size.days)]
    return [DemoDay(*day) for day in zip(starts, lengths, rows, strict=True)]


def _rush(day: int, deadline: tuple[int, int]) -> float:
    """Every second week a deadline, which the three days up to it feel."""
    return DEADLINE if 0 <= (deadline[0] + 7 * (deadline[1] % 2) - day) % 14 <= 2 else 1.0


def apportion(total: int, weights: list[float]) -> list[int]:
    """Whole numbers in proportion to the weights, which sum up to the total."""
    whole = sum(weights) or 1.0
    counts: list[int] = []
    given, owed = 0, 0.0
    for weight in weights:
        owed += total * weight / whole
        counts.append(round(owed) - given)
        given = round(owed)
    return counts
