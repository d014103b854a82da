"""What functions of the writer may rely on, whether the database is SQLite or PostgreSQL."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from apps.common.cursor import Cursor
from apps.common.sessions import open_session
from tests.contracts.databases import TABLE, Table, add, transaction

MANY = 12_000  # rows, of more values than one statement of SQLite takes
AT = datetime(2026, 10, 5, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def table(committed_db: None) -> Iterator[Table]:
    table = Table()
    yield table
    table.drop()


@pytest.fixture
def cursor(table: Table) -> Iterator[Cursor]:
    """In a transaction that is rolled back."""
    session = open_session()
    yield session.begin()
    session.rollback()
    session.close()


def names(cursor: Cursor) -> dict[int, str]:
    cursor.execute(f"SELECT id, name FROM {TABLE}")
    return dict(cursor.fetchall())


# Reading


def test_rows_come_in_the_order_of_their_ids_and_unknown_ids_are_passed_over(cursor: Cursor) -> None:
    add(cursor, (2, "two"), (3, "three"), (1, "one"))

    rows = cursor.select("id, name", TABLE, [3, 1, 99])

    assert [tuple(row) for row in rows] == [(1, "one"), (3, "three")]


def test_a_query_takes_parameters(cursor: Cursor) -> None:
    add(cursor, (1, "one", 10), (2, "two", 20))

    cursor.execute(f"SELECT name FROM {TABLE} WHERE number > %s AND name <> %s", (5, "one"))

    assert tuple(cursor.fetchone()) == ("two",)
    assert cursor.fetchone() is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "NULL",
        'a "quoted" word',
        "it's",
        "back\\slash",
        "{1,2}",
        "a, b",
        "%s",
        "?1",
        "new.name",
        "Zoë 🦉",
        "two\nlines",
    ],
)
def test_text_comes_back_as_it_went_in(cursor: Cursor, text: str) -> None:
    add(cursor, (1, text))
    cursor.update(TABLE, {"id": "bigint", "name": "text"}, [(1, text + text)])

    assert names(cursor) == {1: text + text}


@pytest.mark.parametrize("number", [0, -1, 2**63 - 1, -(2**63), None])
def test_numbers_come_back_as_they_went_in(cursor: Cursor, number: int | None) -> None:
    add(cursor, (1, None, number))

    assert [tuple(row) for row in cursor.select("number, name", TABLE, [1])] == [(number, None)]


@pytest.mark.parametrize(
    "instant", [AT, AT.replace(microsecond=0), AT.astimezone(timezone(timedelta(hours=-5, minutes=-30)))]
)
def test_an_instant_is_the_same_one_when_it_is_read(cursor: Cursor, instant: datetime) -> None:
    add(cursor, (1, None, None, cursor.instant(instant)))

    (row,) = cursor.select("at", TABLE, [1])

    assert cursor.read_instant(row[0]) == instant


def test_a_stored_instant_can_be_given_back_unread(cursor: Cursor) -> None:
    add(cursor, (1, None, None, cursor.instant(AT)), (2,))

    (row,) = cursor.select(cursor.stored("at"), TABLE, [1])
    cursor.update(TABLE, {"id": "bigint", "at": "timestamptz"}, [(2, row[0])])

    (copied,) = cursor.select("at", TABLE, [2])
    assert cursor.read_instant(copied[0]) == AT


def test_instants_are_compared_in_time(cursor: Cursor) -> None:
    add(cursor, *((n, str(n), None, cursor.instant(AT + timedelta(seconds=n))) for n in range(-2, 3)))

    cursor.execute(f"SELECT id FROM {TABLE} WHERE at > %s ORDER BY at", (cursor.instant(AT),))

    assert [row[0] for row in cursor.fetchall()] == [1, 2]


# Writing


def test_new_rows_are_told_from_those_that_were_there(cursor: Cursor) -> None:
    add(cursor, (1, "one"), (2, "two"))

    new = cursor.insert_new(TABLE, {"id": "bigint", "name": "text"}, [(2, "another"), (3, "three"), (4, "four")])

    assert new == {3, 4}
    assert names(cursor) == {1: "one", 2: "two", 3: "three", 4: "four"}


def test_each_row_is_found_by_its_first_column(cursor: Cursor) -> None:
    add(cursor, (1, "one", 10), (2, "two", 20), (3, "three", 30))

    cursor.update(
        TABLE, {"id": "bigint", "name": "text", "number": "bigint"}, [(3, "III", 33), (1, None, 11), (9, "IX", 99)]
    )

    cursor.execute(f"SELECT id, name, number FROM {TABLE} ORDER BY id")
    assert [tuple(row) for row in cursor.fetchall()] == [(1, None, 11), (2, "two", 20), (3, "III", 33)]


def test_only_rows_that_meet_the_condition_are_changed(cursor: Cursor) -> None:
    add(cursor, (1, "one", 10), (2, "two", 20))

    cursor.update(TABLE, {"id": "bigint", "name": "text"}, [(1, "I"), (2, "II")], where=f"{TABLE}.number > 15")

    assert names(cursor) == {1: "one", 2: "II"}


def test_a_statement_runs_for_many_parameters(cursor: Cursor) -> None:
    add(cursor, (1, "one"), (2, "two"), (3, "three"))

    cursor.executemany(f"DELETE FROM {TABLE} WHERE id = %s AND name = %s", [(1, "one"), (2, "another"), (3, "three")])

    assert names(cursor) == {2: "two"}


def test_any_number_of_rows_is_written_at_once(cursor: Cursor) -> None:
    some = {"id": "bigint", "name": "text"}
    add(cursor, *((n, "new", n, cursor.instant(AT)) for n in range(MANY)))

    cursor.update(TABLE, some, [(n, "changed") for n in range(0, MANY, 2)])
    new = cursor.insert_new(TABLE, some, [(n, "newer") for n in range(MANY // 2, MANY + 3)])

    assert new == {MANY, MANY + 1, MANY + 2}
    assert len(cursor.select("id", TABLE, list(range(MANY + 3)))) == MANY + 3
    assert list(names(cursor).values()).count("changed") == MANY // 2


# Several at once


def increase(cursor: Cursor) -> None:
    (row,) = cursor.select("number", TABLE, [1], lock="FOR UPDATE")
    cursor.update(TABLE, {"id": "bigint", "number": "bigint"}, [(1, row[0] + 1)])


def add_the_next(cursor: Cursor) -> None:
    cursor.exclusively(41_414)
    cursor.execute(f"SELECT max(id) FROM {TABLE}")
    add(cursor, (cursor.fetchone()[0] + 1,))


@pytest.mark.parametrize(
    ("change", "result"),
    [(increase, f"SELECT number FROM {TABLE}"), (add_the_next, f"SELECT max(id) - 1 FROM {TABLE}")],
)
def test_nothing_is_lost_between_reading_and_writing(
    table: Table, change: Callable[[Cursor], None], result: str
) -> None:
    """Rows that were read with a lock stay as they are for others; what two do exclusively, they do in turn."""
    setting_up = open_session()
    with transaction(setting_up) as cursor:
        add(cursor, (1, None, 0))

    def often(_: Any) -> None:
        session = open_session()
        for _ in range(10):
            with transaction(session) as cursor:
                change(cursor)
        session.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(often, range(4)))

    with transaction(setting_up) as cursor:
        cursor.execute(result)
        assert cursor.fetchone()[0] == 40
    setting_up.close()
