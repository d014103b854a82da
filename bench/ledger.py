"""Pairs of reserve and settle a second through the group-commit writer alone.

`python -m bench.ledger [SECONDS] [--postgresql]` uses the database of the environment, SQLite in a temporary directory
if it names none, or starts a PostgreSQL that flushes to the disk as a real one does. Every waiter is a student of one
course, so that all of them draw on the same course and institution. Over PostgreSQL four processes then do the same at
once, and the longest wait for a lock is looked for.

Machines differ and are shared: compare with what a bare SQLite makes of the same movements in the same minute.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import sqlite3
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvloop

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_project.settings")

PROCESSES = 4
WAITERS = 64
BARE = """
PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=50000;
CREATE TABLE week (id INTEGER PRIMARY KEY, held INTEGER, used INTEGER);
CREATE TABLE hold (id TEXT PRIMARY KEY, state TEXT, amount INTEGER, identity TEXT, at REAL);
CREATE TABLE entry (id INTEGER PRIMARY KEY, week INTEGER, hold TEXT, kind TEXT, held INTEGER, used INTEGER);
"""
SAMPLE_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class Figures:
    pairs: int
    seconds: float
    batch: float
    reserves: list[float]  # seconds that each reservation took

    def percentile(self, share: float) -> float:
        """In milliseconds."""
        return sorted(self.reserves)[int(len(self.reserves) * share)] * 1000

    def __str__(self) -> str:
        return (
            f"{self.pairs / self.seconds:8,.0f} pairs/s, a reserve p50 {self.percentile(0.5):6.2f} ms"
            f" p99 {self.percentile(0.99):6.2f} ms, {self.batch:5.1f} units a batch"
        )


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("seconds", type=float, nargs="?", default=3.0)
    options.add_argument("--postgresql", action="store_true", help="start one that writes to the disk")
    options.add_argument("--turns", type=int, default=0, help="print nothing but the pairs a second of so many turns")
    chosen = options.parse_args()
    with ExitStack() as stack:
        os.environ.setdefault(
            "GATEWAY_DATA_DIR", stack.enter_context(tempfile.TemporaryDirectory(prefix="stoa-bench-"))
        )
        if chosen.postgresql:
            from tests.servers import PostgreSQL

            os.environ["DATABASE_URL"] = stack.enter_context(PostgreSQL(fsync="on")).url()
        _open_database()
        if chosen.turns:
            print(json.dumps(take_turns(chosen.turns, seconds=chosen.seconds)))
        else:
            _run(chosen.seconds)


def _open_database() -> None:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def take_turns(turns: int, *, seconds: float) -> list[tuple[float, float]]:
    """Pairs a second of a bare SQLite and of the ledger, in turns and with 64 waiters."""

    def figures() -> float:
        figures = uvloop.run(measure(range(WAITERS), seconds=seconds))
        return figures.pairs / figures.seconds

    return [(measure_bare(WAITERS, seconds=seconds), figures()) for _ in range(turns)]


def _run(seconds: float) -> None:
    from django.core.management import call_command
    from django.db import connection, connections

    print(f"a bare SQLite: {measure_bare(WAITERS, seconds=seconds):8,.0f} pairs/s")
    for waiters in (1, 32, WAITERS):
        print(f"{waiters:3} waiters: {uvloop.run(measure(range(waiters), seconds=seconds))}")
    if connection.vendor == "postgresql":
        for clients in (WAITERS, WAITERS * PROCESSES):
            contend(clients, seconds=seconds)
    call_command("audit_ledger")
    connections.close_all()


def measure_bare(students: int, *, seconds: float) -> float:
    """Pairs a second that a bare SQLite makes of the same movements: one thread, one statement for each row, in the
    transactions of that many waiters, of whom half reserve and half settle. Nobody decides, queues or waits."""
    with tempfile.TemporaryDirectory(prefix="stoa-bench-") as directory:
        database = sqlite3.connect(Path(directory) / "bare.sqlite3", isolation_level=None)
        database.executescript(BARE)
        weeks = [(0, 1, 2 + student) for student in range(students)]
        database.executemany("INSERT INTO week VALUES (?, 0, 0)", [(id,) for id in range(students + 2)])
        pairs, held, started = 0, range(0), time.perf_counter()
        while (took := time.perf_counter() - started) < seconds:
            database.execute("BEGIN IMMEDIATE")
            for hold in held:
                database.execute("UPDATE hold SET state = 'settled' WHERE id = ?", (f"{hold:032}",))
                _move_bare(database, weeks[hold % students], hold, "settle", -100, 50)
            pairs, held = pairs + len(held), range(held.stop, held.stop + students // 2)
            for hold in held:
                database.execute("INSERT INTO hold VALUES (?, 'held', 100, '{}', ?)", (f"{hold:032}", started))
                _move_bare(database, weeks[hold % students], hold, "hold", 100, 0)
            database.execute("COMMIT")
        database.close()
    return pairs / took


def _move_bare(database: Any, weeks: tuple[int, ...], hold: int, kind: str, held: int, used: int) -> None:
    for week in weeks:
        database.execute("UPDATE week SET held = held + ?, used = used + ? WHERE id = ?", (held, used, week))
        entry = (week, f"{hold:032}", kind, held, used)
        database.execute("INSERT INTO entry (week, hold, kind, held, used) VALUES (?, ?, ?, ?, ?)", entry)


async def measure(students: range, *, seconds: float) -> Figures:
    from apps.common.commit import Writer
    from apps.common.ids import new_id
    from apps.quotas.ledger import ledger
    from apps.quotas.ledger.movements import Account, Reserve, Settle
    from apps.quotas.weeks import week_at

    now = datetime.now(UTC)
    week = week_at(now, timezone="Europe/Helsinki", first_day=0)
    shared = (Account("course", 1, 10**15, week), Account("institution", 1, 10**15, week))
    writer = Writer(name="bench")
    writer.start()
    reserves: list[float] = []
    started = time.perf_counter()

    async def student(number: int) -> None:
        accounts = (Account("student", number, 10**15, week), *shared)
        while (begun := time.perf_counter()) - started < seconds:
            hold = new_id()
            reserve = Reserve(
                hold=hold, owner="bench", accounts=accounts, amount=100, least=100, floor=10, identity="{}",
                now=now, expires_at=now + timedelta(minutes=10),
            )  # fmt: skip
            await writer.submit(ledger.apply, reserve)
            reserves.append(time.perf_counter() - begun)
            await writer.submit(ledger.apply, Settle(hold=hold, charge=50, now=now))

    await asyncio.gather(*map(student, students))
    took = time.perf_counter() - started
    await asyncio.to_thread(writer.stop)
    return Figures(len(reserves), took, writer.units / writer.batches, reserves)


# Several processes


def contend(clients: int, *, seconds: float) -> None:
    """Print what the clients of one course reach over several processes, and how they got in each other's way."""
    from django.db import connection

    each = clients // PROCESSES
    before, done = _deadlocks(connection), threading.Event()
    waits: list[float] = []
    watcher = threading.Thread(target=_watch_locks, args=(done, waits))
    watcher.start()
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        shares = [(range(number * each, (number + 1) * each), seconds) for number in range(PROCESSES)]
        figures = pool.starmap(_process, shares)
    done.set()
    watcher.join()
    reserves = [one for figure in figures for one in figure.reserves]
    batch = sum(figure.batch for figure in figures) / PROCESSES
    total = Figures(len(reserves), max(figure.seconds for figure in figures), batch, reserves)
    print(f"{PROCESSES} x {each} waiters: {total}")
    longest = max(waits, default=0.0) * 1000
    print(
        f"  longest wait for a lock {longest:.1f} ms in {len(waits)} seen, {_deadlocks(connection) - before} deadlocks"
    )


def _process(students: range, seconds: float) -> Figures:
    import django

    django.setup()
    return uvloop.run(measure(students, seconds=seconds))


def _watch_locks(done: threading.Event, waits: list[float]) -> None:
    """Looks every two milliseconds at who waits for a lock, and for how long already."""
    from django.db import connection

    sql = (
        "SELECT extract(epoch FROM clock_timestamp() - waitstart) FROM pg_locks WHERE NOT granted AND waitstart < now()"
    )
    with connection.cursor() as cursor:
        while not done.wait(SAMPLE_SECONDS):
            cursor.execute(sql)
            waits += [float(row[0]) for row in cursor.fetchall()]
    connection.close()


def _deadlocks(connection: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_stat_clear_snapshot(), deadlocks FROM pg_stat_database WHERE datname = current_database()"
        )
        return int(cursor.fetchone()[1])


if __name__ == "__main__":
    main()
