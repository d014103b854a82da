"""Draining: from the spools into the database, in batches, as often as need be and with the same result.

Records of a call wait in the spool until its row is there, which is written when the call is settled. What has been
committed is then removed from the spool; if that fails, the same records are drained again and change nothing.
"""

import logging
import sqlite3
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from django.db import DatabaseError, OperationalError, connection

from apps.common.owners import forget, is_alive, only_one
from apps.common.priority import at_first_priority
from apps.conversations.models import Call, DeadLetter
from apps.conversations.spool import files
from apps.conversations.spool.files import SpooledRecord
from apps.conversations.spool.placing import SettledCall, enter, plan, settled, storable

logger = logging.getLogger(__name__)

UNKNOWN = "No call with this id was ever recorded."
READ = 500
ORPHANED = 24 * 3600.0  # seconds; no call takes nearly as long
# What one transaction writes at most: draining must never stall a student's call.
WRITE = 32  # records
WRITE_BYTES = 50_000  # of their text, unless one record has more


class _Waiting(NamedTuple):
    """A record with its place in the spool file, and when it was written in seconds since the epoch."""

    id: int
    call: str
    body: bytes
    at: float


def drain_all(*, spools: Path, owners: Path) -> int:
    """Drain every spool of this machine once; how many records reached the database.

    Does nothing while another process of this machine drains.
    """
    with only_one(spools / "drain.lock") as alone:
        return sum(_drain_spool(path, owners) for path in sorted(spools.glob("*.sqlite3"))) if alone else 0


def _drain_spool(path: Path, owners: Path) -> int:
    drained = drain(path)
    _remove_if_done(path, owners)
    return drained


def drain(path: Path, *, read: int = READ) -> int:
    """Drain one spool file once, `read` records at a time; how many reached the database."""
    file = files.connect(path)
    # A call may be settled while the file is read: its later records must not overtake the earlier ones.
    unsettled: set[str] = set()
    try:
        return sum(_drain_batch(file, batch, unsettled) for batch in _batches(file, read))
    finally:
        file.close()


def _batches(file: sqlite3.Connection, read: int) -> Iterator[list[_Waiting]]:
    """All that waits now. What comes meanwhile has greater ids, until the last of these records has been removed."""
    last, (newest,) = 0, file.execute("SELECT COALESCE(MAX(id), 0) FROM records").fetchone()
    sql = "SELECT id, call, body, at FROM records WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"
    while rows := file.execute(sql, (last, newest, read)).fetchall():
        last = rows[-1][0]
        yield [_Waiting(*row) for row in rows]


def _drain_batch(file: sqlite3.Connection, batch: Sequence[_Waiting], unsettled: set[str]) -> int:
    asked = {waiting.call for waiting in batch} - unsettled
    known = settled(asked)
    unsettled |= asked - known.keys()
    ready = [waiting for waiting in batch if waiting.call in known]
    _give_up(file, [waiting for waiting in batch if waiting.call in unsettled and waiting.at < time.time() - ORPHANED])
    for portion in _portions(ready):
        _deliver(file, portion, known)
    return len(ready)


def _portions(ready: Sequence[_Waiting]) -> Iterator[list[_Waiting]]:
    portion: list[_Waiting] = []
    size = 0
    for waiting in ready:
        if portion and (len(portion) == WRITE or size + len(waiting.body) > WRITE_BYTES):
            yield portion
            portion, size = [], 0
        portion.append(waiting)
        size += len(waiting.body)
    if portion:
        yield portion


def _give_up(file: sqlite3.Connection, orphans: Sequence[_Waiting]) -> None:
    """Put away what waits for a call that nobody will ever write down, such as one of a student deleted meanwhile."""
    for waiting in orphans:
        _bury(waiting, Call.DoesNotExist(UNKNOWN))
    _remove(file, orphans)


def _deliver(file: sqlite3.Connection, batch: Sequence[_Waiting], calls: dict[str, SettledCall]) -> None:
    """Commit a few records; if the database refuses them together, one by one, and what it still refuses apart.

    A database that is away refuses nothing: OperationalError goes to the caller, and the records stay where they are.
    """
    try:
        planned = plan([SpooledRecord.from_body(waiting.body) for waiting in batch], calls)
        # Nobody else may write to a SQLite meanwhile.
        for write in (planned.carry_out, partial(enter, planned.pieces)):
            at_first_priority(write) if connection.vendor == "sqlite" else write()
    except OperationalError:
        raise
    except (DatabaseError, ValueError, TypeError, KeyError) as error:
        if len(batch) > 1:
            for waiting in batch:
                _deliver(file, [waiting], calls)
            return
        _bury(batch[0], error)
    at_first_priority(lambda: _remove(file, batch))


def _remove(file: sqlite3.Connection, done: Sequence[_Waiting]) -> None:
    """The ledger's thread waits meanwhile before it can write to the file."""
    with files.transaction(file):
        file.executemany("DELETE FROM records WHERE id = ?", [(waiting.id,) for waiting in done])


def _bury(waiting: _Waiting, error: Exception) -> None:
    """Keep what the database refuses where staff can see it, and out of its neighbours' way."""
    kind = type(error).__name__  # a database quotes what it refuses
    logger.error("A record of call %s was refused and is now a dead letter (%s)", waiting.call, kind)
    DeadLetter.objects.create(
        call=waiting.call,
        record={"body": storable(waiting.body.decode(errors="replace"))},
        error=storable(repr(error))[:2000],
    )


def replay(letters: Sequence[DeadLetter]) -> int:
    """Try dead letters again; how many the database took this time. The others stay, with the reason of today."""
    return sum(_replay_one(letter) for letter in letters)


def _replay_one(letter: DeadLetter) -> bool:
    try:
        if not (calls := settled([letter.call])):
            raise Call.DoesNotExist(UNKNOWN)
        planned = plan([SpooledRecord.from_body(letter.record["body"].encode())], calls)
        planned.carry_out()
        enter(planned.pieces)
        letter.delete()
        return True
    except (DatabaseError, Call.DoesNotExist, ValueError, TypeError, KeyError) as error:
        DeadLetter.objects.filter(pk=letter.pk).update(error=repr(error)[:2000])
        return False


def _remove_if_done(path: Path, owners: Path) -> None:
    """Remove the spool of a process that has ended, once it is empty."""
    owner = path.stem
    if is_alive(owners, owner) or not files.is_empty(path):
        return
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    forget(owners, owner)
