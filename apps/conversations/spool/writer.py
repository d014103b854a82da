"""The spool: what waits, on disk, until it has reached the database: the text of conversations, and settlements.

One SQLite file per web process. `append` and `keep` only queue. The ledger's writer calls `flush` before each of its
transactions, so that a call's text is on disk before the call is settled, without another thread having its turn in
between. A thread of the spool's own brings to disk what nobody has flushed for a moment: text of answers that still
stream, and whatever comes while the database keeps the writer. Records leave the file only after the database has
committed them. Settlements come here while the database is away.
"""

import logging
import os
import queue
import sqlite3
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple

from apps.conversations.spool.files import SpooledRecord, connect, transaction

logger = logging.getLogger(__name__)

MAX_QUEUED = 20_000
MAX_QUEUED_BYTES = 64 * 2**20
BATCH = 256
FLUSH_SECONDS = 0.1
PATIENCE_SECONDS = 1.0  # for a disk that others keep busy; then only the spool's own thread goes on trying
RETRY_SECONDS = 0.5
STOP_SECONDS = 10.0
_INSERTS = {
    table: f"INSERT INTO {table} (call, body, at) VALUES (?, ?, ?)"  # noqa: S608
    for table in ("records", "settlements")
}


class SpoolFull(Exception):
    """More is waiting for the disk than may be kept in memory."""


class _Queued(NamedTuple):
    table: str
    call: str
    body: bytes
    at: float
    written: Future[None] | None = None


class Spool:
    """The writing side, owned by one web process. The event loop appends, and any thread may flush."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _create(path)
        self.path = path
        self._queue: queue.SimpleQueue[_Queued] = queue.SimpleQueue()
        self._batch: list[_Queued] = []  # taken from the queue, and not on disk yet
        # Two counts of each, written by one thread at a time: one count for both would lose additions.
        self._appended = self._written = 0
        self._appended_bytes = self._written_bytes = 0
        self._file: sqlite3.Connection | None = None
        self._flushing = threading.Lock()
        self._is_failing = False
        self._is_urgent = threading.Event()
        self._is_stopped = False
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Commit what is queued and end. Appending afterwards is an error. Gives a broken disk a few seconds."""
        self._is_stopped = True
        self._is_urgent.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)
        if self._thread.is_alive():
            logger.error("The spool could not be written before the end: %d records are lost", self._waiting)

    def append(self, record: SpooledRecord) -> None:
        """Queue a record. Raises SpoolFull when the disk is hopelessly behind."""
        body = record.body()
        if self._waiting >= MAX_QUEUED or self.waiting_bytes + len(body) > MAX_QUEUED_BYTES:
            raise SpoolFull(f"{self._waiting} records wait for the disk.")
        self._put(_Queued("records", record.call, body, time.time()))

    def keep(self, *, call: str, settlement: bytes) -> Future[None]:
        """Queue a settlement, which is never refused; the future ends when it is on disk."""
        written: Future[None] = Future()
        written.set_running_or_notify_cancel()  # whoever stops waiting cancels nothing
        self._put(_Queued("settlements", call, settlement, time.time(), written))
        self._is_urgent.set()
        return written

    def _put(self, item: _Queued) -> None:
        self._appended_bytes += len(item.body)
        self._appended += 1
        self._queue.put(item)

    @property
    def _waiting(self) -> int:
        return self._appended - self._written

    @property
    def waiting_bytes(self) -> int:
        """Text that waits for the disk."""
        return self._appended_bytes - self._written_bytes

    @property
    def is_full(self) -> bool:
        """True when new calls should be refused rather than go unrecorded."""
        return self._waiting >= MAX_QUEUED // 2 or self.waiting_bytes >= MAX_QUEUED_BYTES // 2

    def flush(self) -> None:
        """Bring to disk what has been appended so far. A disk in trouble delays nobody twice: it is left to the
        spool's own thread until it works again."""
        if not self._waiting or self._is_failing:
            return
        if self._flushing.acquire(timeout=PATIENCE_SECONDS):
            try:
                self._is_failing = not self._write_all()
            finally:
                self._flushing.release()
        else:
            self._is_failing = True

    def _run(self) -> None:
        while self._waiting or not self._is_stopped:
            seen = self._appended
            self._is_urgent.wait(FLUSH_SECONDS)
            if self._is_urgent.is_set() or self._written < seen:
                self._is_urgent.clear()
                with self._flushing:
                    self._is_failing = not self._write_all()
                if self._is_failing:
                    time.sleep(RETRY_SECONDS)
                    self._is_urgent.set()
        with self._flushing:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _write_all(self) -> bool:
        """Commit what is queued; False if the file does not take it."""
        try:
            if self._file is None:
                self._file = _open(self.path)
            while self._fill():
                self._write(self._file)
        except sqlite3.Error:
            logger.exception("Writing %d records to the spool failed; trying again", self._waiting)
            return False
        return True

    def _fill(self) -> bool:
        """Take what is queued, behind what could not be written before; False if there is nothing."""
        try:
            while len(self._batch) < BATCH:
                self._batch.append(self._queue.get_nowait())
        except queue.Empty:
            pass
        return bool(self._batch)

    def _write(self, file: sqlite3.Connection) -> None:
        with transaction(file, patience=PATIENCE_SECONDS):
            for table, insert in _INSERTS.items():
                rows = [item[1:4] for item in self._batch if item.table == table]
                if rows:
                    file.executemany(insert, rows)
        done, self._batch = self._batch, []
        self._written_bytes += sum(len(item.body) for item in done)
        self._written += len(done)
        for item in done:
            if item.written is not None:
                item.written.set_result(None)


def _open(path: Path) -> sqlite3.Connection:
    file = connect(path)
    file.execute("PRAGMA busy_timeout=0")
    return file


def _create(path: Path) -> None:
    """Make the file under another name first: two that set a new file's journal mode at once lock each other out."""
    if path.exists():
        return
    new = path.with_suffix(".new")
    os.close(os.open(new, os.O_CREAT | os.O_RDWR, 0o600))
    connect(new).close()
    new.rename(path)
