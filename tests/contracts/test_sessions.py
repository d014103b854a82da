"""How a transaction of the writer begins and ends, whether the database is SQLite or PostgreSQL."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import DatabaseError, IntegrityError, connections

from apps.common.sessions import Session, open_session
from tests.contracts.databases import Table, add, transaction


@pytest.fixture
def table(committed_db: None) -> Iterator[Table]:
    table = Table()
    yield table
    table.drop()


@pytest.fixture
def session(table: Table) -> Iterator[Session]:
    session = open_session(sign="a test")
    yield session
    session.close()


def test_others_see_what_was_committed_and_nothing_before(session: Session, table: Table) -> None:
    add(session.begin(), (1, "one"))
    before = table.committed

    session.commit()

    assert before == []
    assert table.committed == [(1, "one")]


def test_what_was_rolled_back_is_nowhere(session: Session, table: Table) -> None:
    add(session.begin(), (1, "one"))

    session.rollback()

    assert table.committed == []


def test_one_transaction_follows_the_other(session: Session, table: Table) -> None:
    for number in range(3):
        with transaction(session) as cursor:
            add(cursor, (number, "kept"))
        add(session.begin(), (10 + number, "not kept"))
        session.rollback()

    assert table.committed == [(0, "kept"), (1, "kept"), (2, "kept")]


def test_what_the_database_refuses_undoes_all_of_its_transaction(session: Session, table: Table) -> None:
    with transaction(session) as cursor:
        add(cursor, (1, "one"))

    with pytest.raises(IntegrityError), transaction(session) as cursor:
        add(cursor, (2, "two"))
        add(cursor, (1, "one again"))

    assert table.committed == [(1, "one")]
    assert not session.is_lost


def test_a_mistake_in_a_statement_undoes_all_of_its_transaction(session: Session, table: Table) -> None:
    with pytest.raises(DatabaseError), transaction(session) as cursor:
        add(cursor, (1, "one"))
        cursor.execute("SELECT nothing FROM nowhere")
        cursor.fetchall()

    assert table.committed == []
    assert not session.is_lost


def test_a_reference_that_leads_nowhere_is_refused_at_the_commit(session: Session, table: Table) -> None:
    add(session.begin(), (1, "one"), (2, "two", None, None, 99))

    with pytest.raises(IntegrityError):
        session.commit()

    assert table.committed == []


def test_a_reference_need_not_lead_anywhere_before(session: Session, table: Table) -> None:
    with transaction(session) as cursor:
        add(cursor, (1, "child", None, None, 2))
        add(cursor, (2, "parent"))

    assert table.committed == [(1, "child"), (2, "parent")]


@pytest.mark.parametrize("failure", [IntegrityError, RuntimeError])
def test_it_goes_on_after_a_failure(session: Session, table: Table, failure: type[Exception]) -> None:
    with pytest.raises(failure), transaction(session) as cursor:
        add(cursor, (1, "one"))
        if failure is RuntimeError:
            raise failure
        add(cursor, (1, "one"))

    with transaction(session) as cursor:
        add(cursor, (2, "two"))

    assert table.committed == [(2, "two")]


def test_it_opens_again_after_it_was_closed(session: Session, table: Table) -> None:
    with transaction(session) as cursor:
        add(cursor, (1, "one"))

    session.close()
    with transaction(session) as cursor:
        add(cursor, (2, "two"))

    assert table.committed == [(1, "one"), (2, "two")]


def test_one_that_is_closed_in_the_middle_has_done_nothing(session: Session, table: Table) -> None:
    add(session.begin(), (1, "one"))

    session.close()

    assert table.committed == []
    with transaction(session) as cursor:
        add(cursor, (2, "two"))
    assert table.committed == [(2, "two")]


@pytest.mark.parametrize("idle_seconds", [0.0, 60.0])
def test_watching_and_resting_disturb_nothing(session: Session, table: Table, idle_seconds: float) -> None:
    def watch() -> None:
        session.watch(idle_seconds=idle_seconds)
        connections.close_all()

    cursor = session.begin()
    with ThreadPoolExecutor(1) as thread:
        thread.submit(watch).result()
    add(cursor, (1, "one"))
    session.commit()
    session.rest()

    assert table.committed == [(1, "one")]
