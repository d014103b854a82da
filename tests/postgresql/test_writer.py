"""The group-commit writer while its database goes away, or its wire is cut."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg
import pytest

from apps.common.commit import StoreAway, Writer
from apps.common.sessions import CommitUnknown, open_session
from tests.chat.world import wait_until
from tests.faults.link import Link
from tests.postgresql.conftest import Lines
from tests.servers import PATIENCE, PostgreSQL


@pytest.fixture
def writer(link: Link) -> Iterator[Writer]:
    writer = Writer(name="test writer", sign="test owner")
    writer.start()
    yield writer
    writer.stop()


def add(cursor: Any, lines: Sequence[str]) -> list[str]:
    for line in lines:
        cursor.execute("INSERT INTO lines (line) VALUES (%s) RETURNING id", [line])
        cursor.fetchone()  # by now the server has done all that was sent
    return list(lines)


def add_and_then(act: Callable[[], None]) -> Callable[[Any, Sequence[str]], list[str]]:
    """Add lines, and do something when all that is missing is the COMMIT; the first time only."""
    acted = False

    def apply(cursor: Any, lines: Sequence[str]) -> list[str]:
        nonlocal acted
        added = add(cursor, lines)
        if not acted:
            acted = True
            act()
        return added

    return apply


def heal(link: Link, *, after: float) -> None:
    threading.Timer(after, link.will).start()


def test_a_connection_that_died_unnoticed_is_replaced(writer: Writer, link: Link, lines: Lines) -> None:
    writer.call(add, "one")
    link.reset_all()

    writer.call(add, "two")

    assert lines.committed == ["one", "two"]


def test_a_server_that_was_restarted_is_found_again(writer: Writer, server: PostgreSQL, lines: Lines) -> None:
    writer.call(add, "one")
    server.kill()
    server.start()

    writer.call(add, "two")

    assert lines.committed == ["one", "two"]


def test_while_the_server_is_away_units_are_refused_at_once(writer: Writer, server: PostgreSQL, lines: Lines) -> None:
    writer.call(add, "one")
    server.kill()

    for _ in range(100):
        with pytest.raises(StoreAway) as caught:
            writer.call(add, "lost")
        assert not caught.value.is_unknown

    server.start()
    assert lines.committed == ["one"]


def test_the_first_unit_after_its_return_is_done_within_a_second(
    writer: Writer, server: PostgreSQL, lines: Lines
) -> None:
    writer.call(add, "one")
    server.kill()
    with pytest.raises(StoreAway):
        writer.call(add, "lost")
    server.start()

    time.sleep(1)
    writer.call(add, "two")

    assert lines.committed == ["one", "two"]


def test_a_batch_that_was_cut_before_its_commit_is_done_again(writer: Writer, link: Link, lines: Lines) -> None:
    result = writer.call(add_and_then(link.reset_all), "one")

    assert (result, lines.committed) == ("one", ["one"])


def test_a_commit_whose_answer_was_cut_off_is_found_to_be_done(writer: Writer, link: Link, lines: Lines) -> None:
    def cut_the_answer() -> None:
        link.will(cut_down=1)
        heal(link, after=0.5)

    result = writer.call(add_and_then(cut_the_answer), "one")

    assert (result, lines.committed) == ("one", ["one"])
    assert link.counts["cut"] >= 1


def test_a_commit_that_never_arrived_is_done_again(writer: Writer, link: Link, lines: Lines) -> None:
    def cut_the_question() -> None:
        link.will(cut_up=1)
        heal(link, after=0.5)

    result = writer.call(add_and_then(cut_the_question), "one")

    assert (result, lines.committed) == ("one", ["one"])
    assert link.counts["cut"] >= 1


def test_a_commit_of_which_nothing_can_be_learnt_is_said_to_be_unknown(
    writer: Writer, link: Link, lines: Lines
) -> None:
    def cut_for_good() -> None:
        link.will(cut_down=1)

    with pytest.raises(StoreAway) as caught:
        writer.call(add_and_then(cut_for_good), "one")
    link.will()

    assert caught.value.is_unknown
    assert lines.committed == ["one"]


def test_a_number_that_a_crashed_server_gave_away_again_says_nothing(link: Link, server: PostgreSQL) -> None:
    """What had not reached the log when the server died is gone with its number, and the next one gets that number."""
    session = open_session()
    cursor = session.begin()
    cursor.execute("SELECT pg_current_xact_id()::text")
    number = int(cursor.fetchone()[0])
    server.kill()
    server.start()
    while int(server.execute("SELECT pg_current_xact_id()::text")[0][0]) <= number:
        pass

    with pytest.raises(CommitUnknown):
        session.commit()
    session.close()


def test_a_wire_that_swallows_everything_is_cut_in_the_end(writer: Writer, link: Link, lines: Lines) -> None:
    def swallow() -> None:
        link.will(hang=True)

    started = time.monotonic()
    with pytest.raises(StoreAway):
        writer.call(add_and_then(swallow), "one")
    seconds = time.monotonic() - started
    link.will()
    time.sleep(0.3)  # what the writer waits before it asks a database again that was away

    assert seconds < PATIENCE
    assert writer.call(add, "two") == "two"


def test_a_lock_that_is_not_let_go_stops_only_those_who_need_it(
    writer: Writer, server: PostgreSQL, lines: Lines
) -> None:
    with psycopg.connect(server.url()) as other:
        other.execute("INSERT INTO lines (line) VALUES ('taken')")

        with pytest.raises(StoreAway):
            writer.call(add, "taken")
        writer.call(add, "free")

    assert lines.committed == ["taken", "free"]


def test_its_session_shows_that_the_process_lives(writer: Writer, server: PostgreSQL, lines: Lines) -> None:
    writer.call(add, "one")
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"

    during = server.execute(locks)
    writer.stop()

    assert during == [(1,)]
    wait_until(lambda: server.execute(locks) == [(0,)])  # the server ends a session a moment after its client


def test_the_sign_of_life_is_there_again_after_the_wire_was_cut(
    writer: Writer, link: Link, server: PostgreSQL, lines: Lines
) -> None:
    writer.call(add, "one")
    link.reset_all()

    writer.call(add, "two")

    assert server.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted") == [(1,)]
    assert server.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stoa-ledger'") == [(1,)]
