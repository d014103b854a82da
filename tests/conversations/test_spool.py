"""The spool: a file that keeps what was appended, whatever becomes of the process."""

import os
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.conversations.spool import writer
from apps.conversations.spool.files import SpooledRecord, SpooledTurn, connect, oldest, settlements, transaction
from apps.conversations.spool.writer import MAX_QUEUED, MAX_QUEUED_BYTES, Spool, SpoolFull
from gateway_project.env import BASE_DIR

SECONDS = 10.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spools" / "owner.sqlite3"


@pytest.fixture
def spool(path: Path) -> Iterator[Spool]:
    spool = Spool(path)
    spool.start()
    yield spool
    spool.stop()


def record(call: str, text: str = "Hello", **overrides: object) -> SpooledRecord:
    return SpooledRecord(call=call, turns=(SpooledTurn(0, 0, "user", text),), **overrides)  # type: ignore[arg-type]


def calls_in(path: Path) -> list[str]:
    """The calls of the committed records, in order."""
    file = connect(path)
    try:
        return [row[0] for row in file.execute("SELECT call FROM records ORDER BY id")]
    finally:
        file.close()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "It did not happen in time."
        time.sleep(0.005)


# Records

TURNS = st.builds(SpooledTurn, st.integers(0, 99), st.none() | st.integers(0, 99), st.text(max_size=9), st.text())
RECORDS = st.builds(
    SpooledRecord,
    call=st.text(max_size=32),
    turns=st.lists(TURNS, max_size=3).map(tuple),
    final=st.booleans(),
    head=st.text(max_size=32),
    tail=st.text(max_size=32),
    history=st.integers(0, 99),
)


@given(spooled=RECORDS)
def test_a_record_comes_back_as_it_went(spooled: SpooledRecord) -> None:
    assert SpooledRecord.from_body(spooled.body()) == spooled


BAD_BODIES = [b"", b"{", b"null", b"[]", b"{}", b'{"turns": []}', b'{"call": "a", "turns": [3]}', b'{"turns": 3}']
BAD_BODIES += [b'{"call": "a", "turns": [], "novelty": 1}', b'{"call": "a", "turns": [{"seq": 1}]}', b"\xff"]


@pytest.mark.parametrize("body", BAD_BODIES)
def test_what_is_no_record_is_refused(body: bytes) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        SpooledRecord.from_body(body)


# Writing


def test_records_are_committed_in_order(spool: Spool, path: Path) -> None:
    names = [f"call {number}" for number in range(1000)]

    for name in names:
        spool.append(record(name))

    wait_until(lambda: calls_in(path) == names)


def test_stopping_commits_all(path: Path) -> None:
    spool = Spool(path)
    spool.start()
    for number in range(3000):
        spool.append(record(f"call {number}"))

    spool.stop()

    assert calls_in(path) == [f"call {number}" for number in range(3000)]


def test_a_spool_goes_on_where_it_was(path: Path) -> None:
    for name in ("first", "second"):
        spool = Spool(path)
        spool.start()
        spool.append(record(name))
        spool.stop()

    assert calls_in(path) == ["first", "second"]


def test_only_the_owner_may_read_it(spool: Spool, path: Path) -> None:
    spool.append(record("call"))
    wait_until(lambda: calls_in(path) == ["call"])

    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}

    assert set(modes.values()) == {0o600}, modes
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_appending_does_not_wait_for_the_disk(spool: Spool, path: Path) -> None:
    file = connect(path)
    with transaction(file):
        started = time.monotonic()
        for number in range(100):
            spool.append(record(f"call {number}"))
        took = time.monotonic() - started

    file.close()
    assert took < 1.0
    wait_until(lambda: len(calls_in(path)) == 100)


def test_the_oldest_record_tells_how_long_it_waits(spool: Spool, path: Path) -> None:
    before = time.time()
    spool.append(record("call"))
    wait_until(lambda: oldest(path) is not None)

    waits_since = oldest(path)

    assert waits_since is not None and before <= waits_since <= time.time()


def test_an_empty_spool_has_no_oldest_record(spool: Spool, path: Path) -> None:
    assert oldest(path) is None


@pytest.mark.parametrize("number", range(20))
def test_whoever_looks_at_a_new_spool_does_not_hinder_it(path: Path, number: int) -> None:
    spool = Spool(path)

    spool.start()
    file = connect(path)
    spool.append(record("call"))
    spool.stop()

    assert file.execute("SELECT call FROM records").fetchall() == [("call",)]
    file.close()


# Flushing


def test_what_was_appended_is_on_disk_once_it_is_flushed(path: Path) -> None:
    spool = Spool(path)
    for name in ("one", "two"):
        spool.append(record(name))

    spool.flush()

    assert calls_in(path) == ["one", "two"]
    assert spool.waiting_bytes == 0


def test_a_settlement_that_is_kept_is_written_at_once(
    spool: Spool, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "FLUSH_SECONDS", SECONDS)
    time.sleep(0.2)  # until it waits for that long

    spool.keep(call="call", settlement=b"{}").result(SECONDS / 2)

    assert [kept.call for kept in settlements(path)] == ["call"]


def test_threads_that_flush_at_once_write_everything_once_and_in_order(path: Path, hasty_threads: None) -> None:
    spool = Spool(path)
    spool.start()
    names = [f"call {number}" for number in range(3000)]

    def flush() -> None:
        while len(calls_in(path)) < len(names):
            spool.flush()

    with ThreadPoolExecutor(2) as threads:
        flushing = [threads.submit(flush) for _ in range(2)]
        for name in names:
            spool.append(record(name))
        for future in flushing:
            future.result(SECONDS)
    spool.stop()

    assert calls_in(path) == names


def test_a_busy_disk_delays_one_flush_and_gets_everything_in_the_end(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "PATIENCE_SECONDS", 0.5)
    spool = Spool(path)
    file = connect(path)
    with transaction(file):
        spool.append(record("one"))
        started = time.monotonic()
        spool.flush()
        first = time.monotonic() - started
        spool.flush()
        second = time.monotonic() - started - first
        while_busy = spool.waiting_bytes
    file.close()
    spool.start()
    spool.stop()

    assert first >= 0.4 > 0.2 > second
    assert while_busy > 0
    assert calls_in(path) == ["one"]


def test_a_thread_that_hangs_in_a_write_delays_one_flush(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "PATIENCE_SECONDS", 0.1)
    spool = Spool(path)
    spool.append(record("one"))

    with spool._flushing:
        spool.flush()

    spool.start()
    spool.stop()
    assert calls_in(path) == ["one"]


# Trouble with the disk


def test_what_could_not_be_written_is_written_once_it_can_be(
    spool: Spool, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool.append(record("before"))
    wait_until(lambda: calls_in(path) == ["before"])
    file = connect(path)
    file.execute("DROP TABLE records")

    spool.append(record("refused"))
    wait_until(lambda: "trying again" in caplog.text)
    file.close()
    spool.append(record("after"))

    wait_until(lambda: calls_in(path) == ["refused", "after"])


def test_a_file_that_cannot_be_opened_is_opened_once_it_can_be(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spool = Spool(path)
    spool.append(record("call"))
    path.rename(path.with_suffix(".away"))
    path.mkdir()

    spool.start()
    wait_until(lambda: "trying again" in caplog.text)
    path.rmdir()
    path.with_suffix(".away").rename(path)
    spool.stop()

    assert calls_in(path) == ["call"]


def test_a_transaction_that_fails_leaves_nothing_behind(path: Path) -> None:
    Spool(path)
    file = connect(path)

    with pytest.raises(RuntimeError), transaction(file):
        file.execute("INSERT INTO records (call, body, at) VALUES ('a', x'', 0)")
        raise RuntimeError

    file.close()
    assert calls_in(path) == []


def test_a_commit_that_fails_does_not_hinder_the_next_transaction(path: Path) -> None:
    Spool(path)
    file = connect(path)
    file.executescript(
        "PRAGMA foreign_keys=ON; CREATE TABLE owners (id INTEGER PRIMARY KEY);"
        "CREATE TABLE owned (owner INTEGER REFERENCES owners (id) DEFERRABLE INITIALLY DEFERRED);"
    )

    with pytest.raises(sqlite3.IntegrityError), transaction(file):
        file.execute("INSERT INTO owned VALUES (1)")
    with transaction(file):
        file.execute("INSERT INTO records (call, body, at) VALUES ('a', x'', 0)")

    file.close()
    assert calls_in(path) == ["a"]


# A process that dies

PROCESS = """
import sys, time
from pathlib import Path
from apps.conversations.spool.files import SpooledRecord, SpooledTurn
from apps.conversations.spool.writer import Spool
spool = Spool(Path(sys.argv[1]))
spool.start()
for number in range(200):
    spool.append(SpooledRecord(call=f"call {number}", turns=(SpooledTurn(0, 0, "user", "x" * 4000),)))
spool.append(SpooledRecord(call="last"))
print("appended", flush=True)
time.sleep(60)
"""


def test_what_was_committed_survives_kill_9(path: Path) -> None:
    names = [f"call {number}" for number in range(200)]
    with subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(path)],
        cwd=BASE_DIR,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "appended\n"
        wait_until(lambda: calls_in(path)[:200] == names)

        process.kill()

    assert calls_in(path)[:200] == names


# Bounds


@pytest.fixture
def unwritten(path: Path) -> Spool:
    """A spool whose disk takes nothing: its thread has not been started."""
    return Spool(path)


def test_it_is_full_when_too_many_records_wait(unwritten: Spool) -> None:
    for number in range(MAX_QUEUED):
        assert unwritten.is_full == (number >= MAX_QUEUED // 2)
        unwritten.append(record("call", ""))

    with pytest.raises(SpoolFull):
        unwritten.append(record("call"))


def test_it_is_full_when_too_many_bytes_wait(unwritten: Spool) -> None:
    large = record("call", "x" * 2**20)

    with pytest.raises(SpoolFull):
        for _ in range(MAX_QUEUED_BYTES // 2**20):
            unwritten.append(large)

    assert unwritten.is_full
    assert MAX_QUEUED_BYTES - 2**21 < unwritten.waiting_bytes <= MAX_QUEUED_BYTES


def test_a_record_that_was_refused_does_not_count(unwritten: Spool) -> None:
    with pytest.raises(SpoolFull):
        unwritten.append(record("call", "x" * MAX_QUEUED_BYTES))

    assert not unwritten.is_full
    unwritten.append(record("call"))


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads that take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def test_once_written_the_room_is_there_again(path: Path, hasty_threads: None) -> None:
    spool = Spool(path)
    spool.start()
    for _ in range(60_000):
        wait_until(lambda: not spool.is_full)
        spool.append(record("call"))

    spool.stop()

    assert spool.waiting_bytes == 0
