"""The spool: what waits, on disk, until it has reached the database: the text of conversations, and settlements.

One SQLite file per web process. `append` and `keep` only queue; a thread of its own commits what has queued in one
transaction, and whoever must not lose it can wait for that. Records leave the file only after the database has
committed them. Settlements come here while the database is away.
"""

import logging
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from apps.conversations.spool.files import SpooledRecord, connect, transaction

logger = logging.getLogger(__name__)

MAX_QUEUED = 20_000
MAX_QUEUED_BYTES = 64 * 2**20
BATCH = 256
STOP_SECONDS = 10.0
_INSERTS = {
    table: f"INSERT INTO {table} (call, body, at) VALUES (?, ?, ?)"  # noqa: S608
    for table in ("records", "settlements")
}


class SpoolFull(Exception):
    """More is waiting for the disk than may be kept in memory."""


@dataclass(frozen=True, slots=True)
class _Item:
    table: str
    call: str
    body: bytes
    at: float
    written: Future[None]


class Spool:
    """The writing side, owned by one web process."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _create(path)
        self.path = path
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        # Two counts, each written by one thread alone: one count for both would lose additions.
        self._appended_bytes = self._written_bytes = 0
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Commit what is queued and end. Appending afterwards is an error. Gives a broken disk a few seconds."""
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)
        if self._thread.is_alive():
            logger.error(
                "The spool could not be written before the end: about %d records are lost", self._queue.qsize()
            )

    def append(self, record: SpooledRecord) -> Future[None]:
        """Queue a record; the future ends when it is on disk. Raises SpoolFull when the disk is hopelessly behind."""
        body = record.body()
        if self._queue.qsize() >= MAX_QUEUED or self.waiting_bytes + len(body) > MAX_QUEUED_BYTES:
            raise SpoolFull(f"{self._queue.qsize()} records wait for the disk.")
        return self._put("records", record.call, body)

    def keep(self, *, call: str, settlement: bytes) -> Future[None]:
        """Queue a settlement, which is never refused; the future ends when it is on disk."""
        return self._put("settlements", call, settlement)

    def _put(self, table: str, call: str, body: bytes) -> Future[None]:
        item = _Item(table, call, body, time.time(), Future())
        item.written.set_running_or_notify_cancel()  # whoever stops waiting cancels nothing
        self._appended_bytes += len(body)
        self._queue.put(item)
        return item.written

    @property
    def waiting_bytes(self) -> int:
        """Text that waits for the disk."""
        return self._appended_bytes - self._written_bytes

    @property
    def is_full(self) -> bool:
        """True when new calls should be refused rather than go unrecorded."""
        return self._queue.qsize() >= MAX_QUEUED // 2 or self.waiting_bytes >= MAX_QUEUED_BYTES // 2

    def _run(self) -> None:
        file = self._open()
        running = True
        while running:
            batch: list[_Item] = []
            running = self._fill(batch)
            while batch and not self._write(file, batch):
                time.sleep(0.5)
            self._written_bytes += sum(len(item.body) for item in batch)
            for item in batch:
                item.written.set_result(None)
        file.close()

    def _open(self) -> sqlite3.Connection:
        while True:
            try:
                return connect(self.path)
            except sqlite3.Error:
                logger.exception("Opening the spool failed; trying again")
                time.sleep(0.5)

    def _fill(self, batch: list[_Item]) -> bool:
        """Wait for a record and take those behind it; False once `stop` was called."""
        item = self._queue.get()
        while item is not None:
            batch.append(item)
            if len(batch) == BATCH:
                return True
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return True
        return False

    def _write(self, file: sqlite3.Connection, batch: Sequence[_Item]) -> bool:
        try:
            with transaction(file):
                for table, insert in _INSERTS.items():
                    rows = [(item.call, item.body, item.at) for item in batch if item.table == table]
                    file.executemany(insert, rows)
            return True
        except sqlite3.Error:
            logger.exception("Writing %d records to the spool failed; trying again", len(batch))
            return False


def _create(path: Path) -> None:
    """Make the file under another name first: two that set a new file's journal mode at once lock each other out."""
    if path.exists():
        return
    new = path.with_suffix(".new")
    os.close(os.open(new, os.O_CREAT | os.O_RDWR, 0o600))
    connect(new).close()
    new.rename(path)
