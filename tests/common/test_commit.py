"""The group-commit writer, over a real SQLite file."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from apps.common.commit import StoreAway, Writer

pytestmark = pytest.mark.usefixtures("committed_db")

SECONDS = 10.0


class Lines:
    """A table of lines. Its `reader` is a connection that sees only what was committed."""

    def __init__(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS test_lines")
            cursor.execute("CREATE TABLE test_lines (id INTEGER PRIMARY KEY, line TEXT NOT NULL)")
        self.reader = sqlite3.connect(
            connection.settings_dict["NAME"], isolation_level=None, check_same_thread=False, timeout=SECONDS
        )

    def close(self) -> None:
        self.reader.close()
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE test_lines")

    @property
    def committed(self) -> list[str]:
        return [row[0] for row in self.reader.execute("SELECT line FROM test_lines ORDER BY id")]


def add(cursor: Any, lines: Sequence[str | None]) -> list[str]:
    """A function for the writer. The line “bad” is a mistake in the function; None is refused by the database."""
    for line in lines:
        if line == "bad":
            raise ValueError(line)
        cursor.execute("INSERT INTO test_lines (line) VALUES (%s)", [line])
    return [f"added {line}" for line in lines]


class Gate:
    """A function for the writer that takes its time: it has been `entered`, and goes on when `opened`."""

    def __init__(self) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()

    def __call__(self, cursor: Any, units: Sequence[Any]) -> list[None]:
        self.entered.set()
        assert self.opened.wait(SECONDS)
        return [None] * len(units)


@pytest.fixture
def lines() -> Iterator[Lines]:
    lines = Lines()
    yield lines
    lines.close()


@pytest.fixture
def writer(lines: Lines) -> Iterator[Writer]:
    writer = Writer(name="test writer")
    writer.start()
    yield writer
    writer.stop()


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.opened.set()


async def all_of(futures: Sequence[asyncio.Future[Any]]) -> list[Any]:
    return await asyncio.wait_for(asyncio.gather(*futures, return_exceptions=True), SECONDS)


async def occupy(writer: Writer, gate: Gate) -> asyncio.Future[None]:
    """Keep the writer in a transaction until the gate opens."""
    occupied = writer.submit(gate, None)
    assert await asyncio.to_thread(gate.entered.wait, SECONDS)
    return occupied


async def test_units_are_committed_in_order(writer: Writer, lines: Lines) -> None:
    names = [f"line {number}" for number in range(100)]

    results = await all_of([writer.submit(add, name) for name in names])

    assert results == [f"added {name}" for name in names]
    assert lines.committed == names


async def test_all_that_waited_share_one_transaction(writer: Writer, gate: Gate, lines: Lines) -> None:
    occupied = await occupy(writer, gate)
    batches = writer.batches

    waiting = [writer.submit(add, f"line {number}") for number in range(50)]
    gate.opened.set()
    await all_of([occupied, *waiting])

    assert writer.batches == batches + 1
    assert len(lines.committed) == 50


async def test_functions_share_a_transaction_too(writer: Writer, gate: Gate, lines: Lines) -> None:
    def shout(cursor: Any, units: Sequence[str]) -> list[str]:
        return [line.upper() for line in add(cursor, units)]

    occupied = await occupy(writer, gate)
    batches = writer.batches

    waiting = [writer.submit(add, "one"), writer.submit(shout, "two"), writer.submit(add, "three")]
    gate.opened.set()

    assert (await all_of([occupied, *waiting]))[1:] == ["added one", "ADDED TWO", "added three"]
    assert writer.batches == batches + 1


async def test_a_unit_that_raises_fails_alone(writer: Writer, gate: Gate, lines: Lines) -> None:
    occupied = await occupy(writer, gate)

    waiting = [writer.submit(add, line) for line in ("one", "bad", "two")]
    gate.opened.set()
    _, first, second, third = await all_of([occupied, *waiting])

    assert (first, third) == ("added one", "added two")
    assert isinstance(second, ValueError)
    assert lines.committed == ["one", "two"]


async def test_a_unit_that_the_database_refuses_fails_alone(writer: Writer, gate: Gate, lines: Lines) -> None:
    occupied = await occupy(writer, gate)

    waiting = [writer.submit(add, line) for line in ("one", None, "two")]
    gate.opened.set()
    _, first, second, third = await all_of([occupied, *waiting])

    assert (first, third) == ("added one", "added two")
    assert isinstance(second, StoreAway)
    assert lines.committed == ["one", "two"]


async def test_it_goes_on_after_a_failure(writer: Writer, lines: Lines) -> None:
    await all_of([writer.submit(add, None)])
    await all_of([writer.submit(add, "bad")])

    assert await all_of([writer.submit(add, "good")]) == ["added good"]
    assert lines.committed == ["good"]


async def test_a_result_comes_only_after_the_commit(writer: Writer, gate: Gate, lines: Lines) -> None:
    def slowly(cursor: Any, units: Sequence[str]) -> list[str]:
        return [*add(cursor, units), *gate(cursor, [])]

    future = writer.submit(slowly, "line")
    assert await asyncio.to_thread(gate.entered.wait, SECONDS)
    during = (future.done(), lines.committed)
    gate.opened.set()
    await all_of([future])

    assert during == (False, [])
    assert lines.committed == ["line"]


async def test_a_locked_database_is_waited_for(writer: Writer, lines: Lines) -> None:
    lines.reader.execute("BEGIN IMMEDIATE")

    future = writer.submit(add, "line")
    await asyncio.sleep(0.05)
    while_locked = future.done()
    lines.reader.execute("ROLLBACK")

    assert not while_locked
    assert await all_of([future]) == ["added line"]


async def test_a_batch_gives_up_together_when_the_lock_is_not_let_go(lines: Lines) -> None:
    hasty = Writer(name="hasty", lock_seconds=0.2)
    hasty.start()
    lines.reader.execute("BEGIN IMMEDIATE")
    started = time.monotonic()

    results = await asyncio.gather(*(hasty.submit(add, str(n)) for n in range(20)), return_exceptions=True)
    seconds = time.monotonic() - started
    lines.reader.execute("ROLLBACK")
    hasty.stop()

    assert [type(result) for result in results] == [StoreAway] * 20
    assert seconds < 2


async def test_a_waiter_that_gave_up_disturbs_nobody(writer: Writer, gate: Gate, lines: Lines) -> None:
    occupied = await occupy(writer, gate)
    waiting = [writer.submit(add, line) for line in ("one", "two")]

    waiting[0].cancel()
    gate.opened.set()

    assert (await all_of([occupied, waiting[1]]))[1] == "added two"


def test_threads_wait_for_their_result(writer: Writer, lines: Lines) -> None:
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda number: writer.call(add, f"line {number}"), range(40)))

    assert sorted(results) == sorted(f"added {line}" for line in lines.committed)
    assert len(lines.committed) == 40


def test_a_thread_gets_the_error_of_its_unit(writer: Writer) -> None:
    with pytest.raises(ValueError, match="bad"):
        writer.call(add, "bad")


async def test_stopping_commits_what_is_queued(writer: Writer, gate: Gate, lines: Lines) -> None:
    occupied = await occupy(writer, gate)
    waiting = [writer.submit(add, f"line {number}") for number in range(20)]

    stopping = asyncio.create_task(asyncio.to_thread(writer.stop))
    gate.opened.set()
    await asyncio.wait_for(stopping, SECONDS)

    assert len(lines.committed) == 20
    assert all(isinstance(result, str) for result in (await all_of([occupied, *waiting]))[1:])


SUBMITS: dict[str, Callable[[Writer], Any]] = {
    "from the loop": lambda writer: asyncio.wait_for(writer.submit(add, "late"), SECONDS),
    "from a thread": lambda writer: asyncio.to_thread(writer.call, add, "late"),
}


@pytest.mark.parametrize("submit", SUBMITS.values(), ids=SUBMITS.keys())
async def test_after_stopping_units_are_refused(writer: Writer, lines: Lines, submit: Callable[[Writer], Any]) -> None:
    await asyncio.to_thread(writer.stop)

    with pytest.raises(StoreAway) as caught:
        await submit(writer)

    assert (caught.value.status, caught.value.code) == (503, "quota_backend_unavailable")
    assert lines.committed == []
