"""The spool's files: records of text, and settlements. The writer appends; others read and remove."""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

RETRY_SECONDS = 0.0002
# Records need no AUTOINCREMENT, which writes a page more each time: a new id is greater than all that are there, and
# draining needs no more than that.
_SCHEMA = """
    PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;
    PRAGMA journal_size_limit=16777216; PRAGMA wal_autocheckpoint=4000;
    CREATE TABLE IF NOT EXISTS records (id INTEGER PRIMARY KEY, call TEXT, body BLOB, at REAL);
    CREATE TABLE IF NOT EXISTS settlements (
        id INTEGER PRIMARY KEY AUTOINCREMENT, call TEXT, body BLOB, at REAL, is_refused INTEGER DEFAULT FALSE
    );
"""


@dataclass(frozen=True, slots=True)
class SpooledTurn:
    """A piece of text with its place in the call. `message` is its position in the request; None for the answer."""

    seq: int
    message: int | None
    role: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpooledRecord:
    """Some turns of a call. The last record of a call is `final` and carries its place in the conversation.

    Messages before `history` repeat what the conversation named by `head` should hold already.
    """

    call: str
    turns: tuple[SpooledTurn, ...] = ()
    final: bool = False
    head: str = ""
    tail: str = ""
    history: int = 0

    def body(self) -> bytes:
        return orjson.dumps(self)

    @classmethod
    def from_body(cls, body: bytes) -> "SpooledRecord":
        """Raises ValueError, TypeError or KeyError for what is not a record."""
        fields = orjson.loads(body)
        fields["turns"] = tuple(SpooledTurn(**turn) for turn in fields["turns"])
        return cls(**fields)


def connect(path: Path) -> sqlite3.Connection:
    """Open a spool file. Whoever opens it closes it."""
    file = sqlite3.connect(path, isolation_level=None, timeout=30, check_same_thread=False)
    file.executescript(_SCHEMA)
    return file


@contextmanager
def transaction(file: sqlite3.Connection, *, patience: float = 0.0) -> Iterator[None]:
    """`patience`: how long to ask again, every 0.2 ms, while others write. SQLite's own pauses begin at 1 ms."""
    _begin(file, patience)
    try:
        yield
        file.execute("COMMIT")
    except BaseException:
        if file.in_transaction:  # some errors have rolled it back already
            file.execute("ROLLBACK")
        raise


def _begin(file: sqlite3.Connection, patience: float) -> None:
    until = time.monotonic() + patience
    while True:
        try:
            file.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        time.sleep(RETRY_SECONDS)


def oldest(path: Path) -> float | None:
    """When the record that has waited longest was written, in seconds since the epoch; None if nothing waits."""
    file = connect(path)
    try:
        row = file.execute("SELECT at FROM records ORDER BY id LIMIT 1").fetchone()
        return row[0] if row else None
    finally:
        file.close()


@dataclass(frozen=True, slots=True)
class SpoolBacklog:
    """What waits in a file for the database. `records` is their number or a little more; `oldest` is in seconds since
    the epoch."""

    records: int
    oldest: float | None
    settlements: int


def waiting(path: Path) -> SpoolBacklog:
    """Takes no time however much waits, as it counts no records: the ids between the first and the last will do."""
    with closing(connect(path)) as file:
        first, last = file.execute("SELECT (SELECT MIN(id) FROM records), (SELECT MAX(id) FROM records)").fetchone()
        row = file.execute("SELECT at FROM records WHERE id = ?", (first,)).fetchone()
        (settlements,) = file.execute("SELECT COUNT(*) FROM settlements WHERE NOT is_refused").fetchone()
    return SpoolBacklog(last - first + 1 if row else 0, row[0] if row else None, settlements)


@dataclass(frozen=True, slots=True)
class KeptSettlement:
    """A settlement with its place in the file."""

    id: int
    call: str
    body: bytes


def settlements(path: Path, *, after: int = 0, limit: int = 500) -> list[KeptSettlement]:
    """Those that wait, in the order in which they were kept; without those that were refused."""
    with closing(connect(path)) as file:
        rows = file.execute(
            "SELECT id, call, body FROM settlements WHERE id > ? AND NOT is_refused ORDER BY id LIMIT ?", (after, limit)
        ).fetchall()
    return [KeptSettlement(*row) for row in rows]


def remove_settlements(path: Path, ids: Sequence[int]) -> None:
    """Those that the database has committed."""
    with closing(connect(path)) as file, transaction(file):
        file.executemany("DELETE FROM settlements WHERE id = ?", [(id,) for id in ids])


def refuse_settlements(path: Path, ids: Sequence[int]) -> None:
    """Those that the database will never take: they stay in the file for whoever looks into it."""
    with closing(connect(path)) as file, transaction(file):
        file.executemany("UPDATE settlements SET is_refused = TRUE WHERE id = ?", [(id,) for id in ids])


def is_empty(path: Path) -> bool:
    """True if nothing at all waits in the file."""
    with closing(connect(path)) as file:
        sql = "SELECT EXISTS (SELECT 1 FROM records) OR EXISTS (SELECT 1 FROM settlements)"
        return not file.execute(sql).fetchone()[0]
