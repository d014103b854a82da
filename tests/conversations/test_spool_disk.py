"""What a spool keeps when the disk is busy or broken, or when its process dies."""

import os
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from apps.conversations.spool import writer
from apps.conversations.spool.files import connect, settlements, transaction
from apps.conversations.spool.writer import Spool
from gateway_project.env import BASE_DIR
from tests.conversations.spools import SECONDS, calls_in, record, wait_until

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
