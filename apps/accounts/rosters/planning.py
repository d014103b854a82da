"""What a roster would change in a course. Pure functions: the table of the file, and who is in the course."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from apps.accounts.rosters.reading import RosterTable
from apps.accounts.rosters.titles import STAFF, STUDENTS

LONGEST: Final = {"number": 100, "email": 254, "first_name": 150, "last_name": 150}


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterRow:
    line: int
    number: str
    email: str = ""
    first_name: str = ""
    last_name: str = ""

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()


@dataclass(frozen=True, slots=True)
class RosterMistake:
    """What is wrong in one cell; `column` is its title in the file."""

    line: int
    column: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterSeat:
    """Somebody in the course already. A roster brought them (`by_roster`), or a later one took them out (`left`)."""

    id: int
    number: str
    name: str
    email: str
    is_active: bool
    is_student: bool
    by_roster: bool
    left: bool


@dataclass(frozen=True, slots=True)
class RosterPlan:
    """`changed` and `back` have the row and the seat that it is about. `gone` are missing in the file."""

    new: tuple[RosterRow, ...] = ()
    changed: tuple[tuple[RosterRow, RosterSeat], ...] = ()
    back: tuple[tuple[RosterRow, RosterSeat], ...] = ()
    gone: tuple[RosterSeat, ...] = ()
    same: int = 0
    staff: int = 0  # rows of staff, who are added by hand
    inactive: tuple[RosterSeat, ...] = ()  # whom staff deactivated by hand, and who stay so
    mistakes: tuple[RosterMistake, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.new or self.changed or self.back or self.gone)

    @property
    def fingerprint(self) -> str:
        """Differs whenever the plan would do something else."""
        parts = (
            [row.number for row in self.new],
            [(seat.id, row.name, row.email) for row, seat in self.changed],
            [seat.id for _, seat in self.back],
            [seat.id for seat in self.gone],
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()


def plan(table: RosterTable, columns: Mapping[str, int], seats: Sequence[RosterSeat]) -> RosterPlan:
    """`columns` names the column of each field, of which `number` must be one."""
    rows, staff, mistakes = _rows(table, columns)
    mistakes += _doubles(rows, table.header, columns)
    by_number = {seat.number: seat for seat in seats}
    mistakes += _taken(rows, seats, table.header, columns)
    known = [(row, by_number[row.number]) for row in rows if row.number in by_number]
    back = [(row, seat) for row, seat in known if not seat.is_active and seat.left]
    stays = [(row, seat) for row, seat in known if seat.is_active and seat.is_student]
    changed = [(row, seat) for row, seat in stays if _differs(row, seat)]
    named = {row.number for row in rows}
    return RosterPlan(
        new=tuple(row for row in rows if row.number not in by_number),
        changed=tuple(changed),
        back=tuple(back),
        gone=tuple(
            one for one in seats if one.by_roster and one.is_active and one.is_student and one.number not in named
        ),
        same=len(stays) - len(changed),
        staff=staff + sum(seat.is_active and not seat.is_student for _, seat in known),
        inactive=tuple(seat for _, seat in known if not seat.is_active and not seat.left),
        mistakes=tuple(sorted(mistakes, key=lambda one: one.line)),
    )


def _rows(table: RosterTable, columns: Mapping[str, int]) -> tuple[list[RosterRow], int, list[RosterMistake]]:
    rows, staff, mistakes = [], 0, []
    for line, cells in zip(table.lines, table.rows, strict=True):
        values = {field: cells[index] for field, index in columns.items()}
        if values.get("role", "").casefold() in STAFF:
            staff += 1
            continue
        wrong = [RosterMistake(line, table.header[columns[field]], text) for field, text in _wrong(values)]
        mistakes += wrong
        if not wrong:
            rows.append(_row(line, values))
    return rows, staff, mistakes


def _row(line: int, values: Mapping[str, str]) -> RosterRow:
    first, last = values.get("first_name", ""), values.get("last_name", "")
    if not (first or last):
        first, _, last = values.get("name", "").rpartition(" ")
    email = values.get("email", "").lower()
    return RosterRow(line=line, number=values["number"], email=email, first_name=first, last_name=last)


def _wrong(values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The fields of a row that cannot be taken, and why."""
    if not values["number"]:
        yield "number", "The student number is missing."
    for field, longest in LONGEST.items():
        if len(values.get(field, "")) > longest:
            yield field, f"This has more than {longest} characters."
    if values.get("email") and not _is_address(values["email"]):
        yield "email", f"“{values['email'][:80]}” is no e-mail address."
    role = values.get("role", "").casefold()
    if role and role not in STUDENTS:
        yield "role", f"“{role[:40]}” is no role that a roster can give. Leave the cell empty for students."


def _is_address(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True


def _doubles(rows: Sequence[RosterRow], header: Sequence[str], columns: Mapping[str, int]) -> list[RosterMistake]:
    """Numbers and addresses that stand in the file more than once: each time after the first."""
    found = []
    for field, what in (("number", "student number"), ("email", "address")):
        counted: Counter[str] = Counter()
        for row in rows:
            value = getattr(row, field)
            counted[value] += 1
            if value and counted[value] > 1:
                found.append(RosterMistake(row.line, header[columns[field]], f"The {what} {value} stands here twice."))
    return found


def _taken(
    rows: Sequence[RosterRow], seats: Sequence[RosterSeat], header: Sequence[str], columns: Mapping[str, int]
) -> list[RosterMistake]:
    """Addresses that somebody else in the course has."""
    owners = {seat.email.lower(): seat for seat in seats if seat.email}
    return [
        RosterMistake(row.line, header[columns["email"]], f"{row.email} is the address of {owners[row.email].number}.")
        for row in rows
        if row.email in owners and owners[row.email].number != row.number
    ]


def _differs(row: RosterRow, seat: RosterSeat) -> bool:
    """An empty cell changes nothing."""
    return bool((row.name and row.name != seat.name) or (row.email and row.email != seat.email.lower()))
