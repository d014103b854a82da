"""The filters of a list as chips: each a choice, those that are on marked and with an address that takes them off."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import parse_qs

from django.http import QueryDict
from django.utils import timezone

PAGE, ERROR = "p", "e"
FROM, TO = "from", "to"
YEARS = range(1971, 9999)  # at the ends of the calendar, a day may not exist in every zone


@dataclass(frozen=True, slots=True)
class Chip:
    title: str
    name: str
    value: str
    choices: tuple[tuple[str, str], ...]  # none for a day
    address: str  # of the list without this filter

    @property
    def is_on(self) -> bool:
        return bool(self.value)


@dataclass(frozen=True, slots=True)
class Bar:
    """What a list is narrowed to. `kept` are the parameters of its address that are no filters, such as the search."""

    chips: tuple[Chip, ...]
    kept: tuple[tuple[str, str], ...]
    clear: str

    @property
    def is_on(self) -> bool:
        return any(chip.is_on for chip in self.chips)


def bar(specs: Iterable[Any], changelist: Any, asked: QueryDict) -> Bar:
    chips = tuple(chip for spec in specs for chip in _chips(spec, changelist, asked))
    names = {chip.name for chip in chips}
    pairs = ((name, value) for name, values in asked.lists() for value in values)
    kept = tuple((name, value) for name, value in pairs if name not in names | {PAGE, ERROR})
    return Bar(chips, kept, address_without(asked, names))


def address_without(asked: QueryDict, names: Iterable[str]) -> str:
    rest = asked.copy()
    for name in (*names, PAGE, ERROR):
        rest.pop(name, None)
    return f"?{rest.urlencode()}"


def _chips(spec: Any, changelist: Any, asked: QueryDict) -> Iterator[Chip]:
    name = str(getattr(spec, "lookup_kwarg", None) or getattr(spec, "parameter_name", ""))
    choices = tuple(_choices(name, list(spec.choices(changelist))))
    yield Chip(str(spec.title), name, asked.get(name, ""), choices, address_without(asked, [name]))
    for day in map(str, getattr(spec, "days", ())):
        yield Chip(day, day, asked.get(day, ""), (), address_without(asked, [day]))


def _choices(name: str, offered: list[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Those of a form of the theme's filters, or of the links of Django's own. Without the one that takes it off."""
    for choice in offered:
        if "form" in choice:
            pairs = choice["form"].fields[name].choices
            yield from ((str(value), str(words)) for value, words in pairs if value not in ("", None))
        elif value := parse_qs(str(choice["query_string"]).lstrip("?")).get(name, [""])[0]:
            yield value, str(choice["display"])


def midnight(day: str, *, days_later: int = 0) -> datetime:
    """Where a day begins by the clock of the page. Raises ValueError for what is no day."""
    found = date.fromisoformat(day)
    if found.year not in YEARS:
        raise ValueError(f"{day} is too far away.")
    return timezone.make_aware(datetime.combine(found + timedelta(days=days_later), time()))
