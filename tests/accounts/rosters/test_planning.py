"""What a roster would change."""

from typing import Any

import pytest

from apps.accounts.rosters.planning import RosterPlan, RosterSeat, plan
from apps.accounts.rosters.reading import columns_of, read

HEADER = "number,first name,last name,email,role\n"


def seat(number: str, **overrides: Any) -> RosterSeat:
    values = {
        "id": int(number),
        "number": number,
        "name": "Ada Lovelace",
        "email": f"{number}@example.edu",
        "is_active": True,
        "is_student": True,
        "by_roster": True,
        "left": False,
    }
    return RosterSeat(**{**values, **overrides})


def planned(rows: str, *seats: RosterSeat) -> RosterPlan:
    table = read((HEADER.replace("number", "student number", 1) + rows).encode())
    return plan(table, columns_of(table.header), seats)


def mistakes(rows: str, *seats: RosterSeat) -> list[tuple[int, str, str]]:
    return [(one.line, one.column, one.text) for one in planned(rows, *seats).mistakes]


def test_who_is_not_there_is_new() -> None:
    [row] = planned("1,Ada,Lovelace,ADA@example.edu,student\n").new

    assert (row.number, row.name, row.email) == ("1", "Ada Lovelace", "ada@example.edu")


def test_the_same_file_again_changes_nothing() -> None:
    found = planned("1,Ada,Lovelace,1@example.edu,\n", seat("1"))

    assert found.is_empty and found.same == 1


def test_empty_cells_change_nothing() -> None:
    assert planned("1,,,,\n", seat("1")).is_empty


def test_names_and_addresses_change() -> None:
    found = planned("1,Ada,King,1@example.edu,\n2,Ada,Lovelace,new@example.edu,\n", seat("1"), seat("2"))

    assert [(row.name, row.email) for row, _ in found.changed] == [
        ("Ada King", "1@example.edu"),
        ("Ada Lovelace", "new@example.edu"),
    ]


@pytest.mark.parametrize(
    ("how", "is_gone"),
    [({}, True), ({"by_roster": False}, False), ({"is_student": False}, False), ({"is_active": False}, False)],
)
def test_only_students_whom_a_roster_brought_go_missing(how: dict[str, Any], is_gone: bool) -> None:
    found = planned("1,Ada,Lovelace,,\n", seat("1"), seat("2", **how))

    assert [one.id for one in found.gone] == [2] * is_gone


def test_who_left_by_a_roster_comes_back_by_one_and_who_was_deactivated_by_hand_does_not() -> None:
    found = planned("1,,,,\n2,,,,\n", seat("1", is_active=False, left=True), seat("2", is_active=False))

    assert [one.id for _, one in found.back] == [1]
    assert [one.id for one in found.inactive] == [2]


@pytest.mark.parametrize("role", ["teacher", "Instructor", "TaEnrollment", "Dozent"])
def test_staff_in_a_roster_are_left_to_people(role: str) -> None:
    found = planned(f"1,Tess,Teacher,tess@example.edu,{role}\n")

    assert (found.new, found.staff, found.mistakes) == ((), 1, ())


@pytest.mark.parametrize(
    ("rows", "wrong"),
    [
        (",Ada,Lovelace,,\n", (2, "student number", "missing")),
        ("1,,,,\n1,,,,\n", (3, "student number", "twice")),
        ("1,,,a@example.edu,\n2,,,A@example.edu,\n", (3, "email", "twice")),
        ("1,,,no address,\n", (2, "email", "no e-mail address")),
        ("1,,,,wizard\n", (2, "role", "no role")),
        (f"{'1' * 101},,,,\n", (2, "student number", "more than 100")),
        (f"1,{'x' * 151},,,\n", (2, "first name", "more than 150")),
        ("3,,,9@example.edu,\n", (2, "email", "is the address of 9")),
    ],
)
def test_mistakes_name_line_column_and_cause(rows: str, wrong: tuple[int, str, str]) -> None:
    [(line, column, text)] = mistakes(rows, seat("9"))

    assert (line, column) == wrong[:2] and wrong[2] in text


def test_a_plan_that_does_something_else_has_another_fingerprint() -> None:
    plans = [
        planned("1,A,B,,\n"),
        planned("2,A,B,,\n"),
        planned("1,A,B,,\n", seat("1")),
        planned("1,A,B,,\n", seat("2")),
    ]

    assert len({found.fingerprint for found in plans}) == 4
    assert planned("1,A,B,,\n").fingerprint == plans[0].fingerprint
