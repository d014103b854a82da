"""Tells which processes are alive, without heartbeats: by locks that end with the process, however it dies.

Every web process locks a file of its own in the data directory; the kernel releases it. On PostgreSQL, whose clients
may run on other machines, the connection of the writer also holds an advisory lock; the server releases it.
"""

import fcntl
import hashlib
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apps.common.cursor import Cursor

MISSING_SECONDS = 3.0  # every living writer has reconnected by then after a restart of the database


class Owner:
    """Shows that this process is alive: a locked file named after `id`."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.id = uuid.uuid4().hex
        self._path = directory / f"{self.id}.lock"
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def close(self) -> None:
        """Release the lock, after everything that the process owned has been resolved."""
        self._path.unlink(missing_ok=True)
        os.close(self._file)


def lock_number(owner: str) -> int:
    """The number of an owner's advisory lock on PostgreSQL."""
    return int.from_bytes(hashlib.blake2b(owner.encode(), digest_size=8).digest(), signed=True)


def is_alive(directory: Path, owner: str) -> bool:
    """True while the process that made this owner id is alive. A missing file means that it is gone."""
    try:
        file = os.open(directory / f"{owner}.lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def forget(directory: Path, owner: str) -> None:
    """Delete what a dead owner left, once nothing refers to it."""
    (directory / f"{owner}.lock").unlink(missing_ok=True)


@contextmanager
def only_one(path: Path) -> Iterator[bool]:
    """True for one holder at a time on this machine, among all threads and processes that name this file.

    The others get False at once.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        yield False
        return
    try:
        yield True
    finally:
        os.close(lock)


class LifeSigns:
    """Tells the ledger's writer which owners are dead; `mine` never is.

    With SQLite all owners are on this machine, and their files decide. With PostgreSQL their sessions do: an owner is
    dead once its lock has been missing for `MISSING_SECONDS`. `clock` gives monotonic seconds.
    """

    def __init__(self, directory: Path, *, mine: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._directory, self._mine, self._clock = directory, mine, clock
        self._missing_since: dict[str, float] = {}

    def dead(self, cursor: "Cursor", units: Sequence[Iterable[str]]) -> list[tuple[str, ...]]:
        """A function for the writer: the dead ones of the given owners, for each unit."""
        return [tuple(sorted(self._dead(cursor, set(owners) - {self._mine}))) for owners in units]

    def _dead(self, cursor: "Cursor", owners: set[str]) -> set[str]:
        if cursor.is_sqlite:
            return {owner for owner in owners if not is_alive(self._directory, owner)}
        now, signed = self._clock(), _signed(cursor)
        missing = {owner for owner in owners if lock_number(owner) not in signed}
        self._missing_since = {owner: self._missing_since.get(owner, now) for owner in missing}
        return {owner for owner, since in self._missing_since.items() if now - since >= MISSING_SECONDS}


def _signed(cursor: "Cursor") -> set[int]:
    cursor.execute(
        "SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted"
        " AND objsubid = 1 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return {row[0] for row in cursor.fetchall()}
