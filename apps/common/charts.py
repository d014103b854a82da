"""Bar charts over days or minutes, as figures that a template draws without scripts or styles. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

WIDTH, HEIGHT = 720, 160
FOOT = 22  # room for the dates
HEAD = 14  # room for the highest number
GAP = 0.22  # of a day's width, between two bars
WIDEST = 40.0
MOST_LABELS = 8


@dataclass(frozen=True, slots=True)
class ChartUnit:
    """What a bar stands for, and what the axis, the tooltip and the table call it."""

    name: str
    label: Callable[[date], str]
    title: Callable[[date], str]
    row: Callable[[date], str]


DAY = ChartUnit("day", lambda day: f"{day:%b} {day.day}", lambda day: f"{day:%a} {day.isoformat()}", date.isoformat)
HOUR = ChartUnit(
    "hour", lambda hour: f"{hour:%H:%M}", lambda hour: f"{hour:%a %H:%M}", lambda hour: f"{hour:%d %b %H:%M}"
)
MINUTE = ChartUnit("minute", *[lambda minute: f"{minute:%H:%M}"] * 3)  # datetimes are dates


@dataclass(frozen=True, slots=True)
class BarSegment:
    """A part of a bar. `series` names its CSS class and its entry in the legend."""

    series: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Day:
    day: date
    counts: tuple[int, ...]  # in the order of the chart's series
    segments: tuple[BarSegment, ...]
    x: float
    middle: float
    label: str  # the date, empty for most bars
    title: str  # the tooltip of the bar
    row: str  # its name in the table

    @property
    def total(self) -> int:
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class Chart:
    """Stacked bars, one a day, or one a minute. `highest` is the value of the top line."""

    series: tuple[str, ...]
    days: tuple[Day, ...]
    highest: int
    step: float
    unit: str = DAY.name
    labels: tuple[str, ...] = ()  # what people call the series; without any, their own names
    width: int = WIDTH
    height: int = HEIGHT
    top: int = HEAD
    base: int = HEIGHT - FOOT

    @property
    def room(self) -> int:
        return self.base - self.top

    @property
    def totals(self) -> list[tuple[str, int]]:
        return [(name, sum(day.counts[n] for day in self.days)) for n, name in enumerate(self.series)]

    @property
    def legend(self) -> list[tuple[str, str, int]]:
        """Class, name and total of each series."""
        return [(name, label, count) for (name, count), label in zip(self.totals, self.labels, strict=True)]

    @property
    def total(self) -> int:
        return sum(day.total for day in self.days)


def stretch(first: date, last: date) -> list[date]:
    """All days from the first to the last."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def minutes(last: datetime, number: int) -> list[datetime]:
    """So many whole minutes, up to the one of this instant."""
    end = last.replace(second=0, microsecond=0)
    return [end - timedelta(minutes=n) for n in range(number - 1, -1, -1)]


def bars(
    days: Sequence[date],
    counts: Mapping[Any, Mapping[str, int]],
    *,
    series: Iterable[str],
    unit: ChartUnit = DAY,
    labels: Iterable[str] = (),
) -> Chart:
    """A chart of these days, or minutes; `counts` has them as keys. A missing count is zero. Series are stacked in
    their order, from the base up."""
    names = tuple(series)
    called = tuple(labels) or names
    rows = [tuple(counts.get(day, {}).get(name, 0) for name in names) for day in days]
    highest = max((sum(row) for row in rows), default=0)
    step = WIDTH / max(1, len(days))
    every = max(1, -(-len(days) // MOST_LABELS))
    return Chart(
        names,
        tuple(
            _day(
                day,
                row,
                names,
                called,
                unit,
                x=n * step,
                step=step,
                highest=highest,
                label=(len(days) - 1 - n) % every == 0,
            )
            for n, (day, row) in enumerate(zip(days, rows, strict=True))
        ),
        highest,
        round(step, 2),
        unit.name,
        called,
    )


def _day(
    day: date,
    counts: tuple[int, ...],
    names: tuple[str, ...],
    called: tuple[str, ...],
    unit: ChartUnit,
    *,
    x: float,
    step: float,
    highest: int,
    label: bool,
) -> Day:
    room, base = HEIGHT - FOOT - HEAD, float(HEIGHT - FOOT)
    segments = []
    for name, count in zip(names, counts, strict=True):
        if count:
            height = max(1.0, room * count / highest)
            base -= height
            width = min(step * (1 - GAP), WIDEST)
            left = x + (step - width) / 2
            segments.append(BarSegment(name, round(left, 2), round(base, 2), round(width, 2), round(height, 2)))
    said = ", ".join(f"{count} {name}" for name, count in zip(called, counts, strict=True) if count)
    return Day(
        day=day,
        counts=counts,
        segments=tuple(segments),
        x=round(x, 2),
        middle=round(x + step / 2, 2),
        label=unit.label(day) if label else "",
        title=f"{unit.title(day)}: {said or 'none'}",
        row=unit.row(day),
    )
