"""The index of words: a row for each piece of text, and its words where the database searches them.

Deleting a call deletes its rows, and with a row go its words.
"""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from django.db import connection

from apps.common.cursor import Cursor, by_column
from apps.conversations.search.words import Phrase

MERGED = 2  # changes that say that something was merged, by SQLite's documentation
MOST = 1_000  # calls that a search finds
TABLE = "conversations_searchdocument"
_OF_A_CALL = "SELECT 1 FROM conversations_call WHERE id = "


@dataclass(frozen=True, slots=True)
class Piece:
    """A text that a call added, from its turn number `seq` on, with what narrows a search."""

    call: str
    seq: int
    course: int
    member: int
    words: str

    @property
    def labels(self) -> str:
        return f"course{self.course} member{self.member}"


@dataclass(frozen=True, slots=True)
class Within:
    """Whose texts are searched: those of these courses (None: of all), and of this member (None: of everybody)."""

    courses: Collection[int] | None = None
    member: int | None = None


class SearchIndex(Protocol):
    """One contract over both databases."""

    def add(self, cursor: Cursor, pieces: Sequence[Piece]) -> None:
        """Add pieces in the cursor's transaction. Those that are there stay, and so does what has no call any more."""

    def find(self, phrases: Sequence[Phrase], within: Within) -> list[str]:
        """The calls that have all phrases in one piece, latest first, at most `MOST`."""

    def tidy(self, *, seconds: float) -> None:
        """Put in order what many additions have left, for so long at most."""


class SQLiteIndex:
    """FTS5 without a copy of the text. Its rows have the numbers of ours; a trigger deletes them."""

    def add(self, cursor: Cursor, pieces: Sequence[Piece]) -> None:
        """All rows first, then all words: FTS5 would write to the disk for each row that is inserted in between."""
        cursor.execute(f"SELECT COALESCE(MAX(id), 0) FROM {TABLE}")  # noqa: S608
        (latest,) = cursor.fetchone()
        cursor.executemany(
            f"INSERT INTO {TABLE} (call_id, seq) SELECT ?1, ?2 WHERE EXISTS ({_OF_A_CALL} ?1) ON CONFLICT DO NOTHING",
            [(piece.call, piece.seq) for piece in pieces],
        )
        cursor.execute(f"SELECT id, call_id, seq FROM {TABLE} WHERE id > %s", (latest,))  # noqa: S608
        by_place = {(piece.call, piece.seq): piece for piece in pieces}
        added = [(id, by_place[call, seq]) for id, call, seq in cursor.fetchall()]
        cursor.executemany(
            "INSERT INTO conversations_words (rowid, labels, words) VALUES (?1, ?2, ?3)",
            [(id, piece.labels, piece.words) for id, piece in added],
        )

    def tidy(self, *, seconds: float) -> None:
        """Merge the parts of the index, one of which each transaction leaves. Whoever adds has no time for it."""
        connection.ensure_connection()
        file, deadline = connection.connection, time.monotonic() + seconds
        while time.monotonic() < deadline:
            before = file.total_changes
            with connection.cursor() as cursor:
                cursor.execute("INSERT INTO conversations_words (conversations_words, rank) VALUES ('merge', 100)")
            if file.total_changes - before < MERGED:
                return

    def find(self, phrases: Sequence[Phrase], within: Within) -> list[str]:
        sql = (
            f"SELECT found.call_id FROM conversations_words JOIN {TABLE} found"  # noqa: S608
            " ON found.id = conversations_words.rowid"
            " WHERE conversations_words MATCH %s ORDER BY conversations_words.rowid DESC LIMIT %s"
        )
        parts = [f"words : {self._phrase(phrase)}" for phrase in phrases]
        if within.member is not None:
            parts.append(f"labels : member{within.member}")
        if within.courses is not None:
            parts.append(f"labels : ({' OR '.join(f'course{course}' for course in within.courses)})")
        return _found(sql, [" AND ".join(parts), MOST])

    @staticmethod
    def _phrase(phrase: Phrase) -> str:
        return f'"{" ".join(phrase.words)}"' + ("*" if phrase.is_open else "")


class PostgreSQLIndex:
    """A column of words in our own rows."""

    def tidy(self, *, seconds: float) -> None:
        """Autovacuum does it."""

    def add(self, cursor: Cursor, pieces: Sequence[Piece]) -> None:
        """One statement for all, which PostgreSQL reads and plans once."""
        if pieces:
            rows = [(piece.call, piece.seq, self._labels(piece.labels), piece.words) for piece in pieces]
            cursor.execute(
                "WITH new (call_id, seq, labels, words) AS"  # noqa: S608
                " (SELECT * FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::text[]))"
                f" INSERT INTO {TABLE} (call_id, seq, words) SELECT new.call_id, new.seq,"
                " array_to_tsvector(string_to_array(new.labels, ' ')) || to_tsvector('simple', new.words)"
                " FROM new JOIN conversations_call found ON found.id = new.call_id FOR KEY SHARE OF found"
                " ON CONFLICT DO NOTHING",
                by_column(rows),
            )

    def find(self, phrases: Sequence[Phrase], within: Within) -> list[str]:
        sql = f"SELECT call_id FROM {TABLE} WHERE words @@ %s::tsquery ORDER BY id DESC LIMIT %s"  # noqa: S608
        parts = [self._phrase(phrase) for phrase in phrases]
        if within.member is not None:
            parts.append(f"'{self._labels(f'member{within.member}')}'")
        if within.courses is not None:
            parts.append("(" + " | ".join(f"'{self._labels(f'course{one}')}'" for one in within.courses) + ")")
        return _found(sql, [" & ".join(parts), MOST])

    @staticmethod
    def _labels(labels: str) -> str:
        """Labels are apart from words, as no word has a colon."""
        return " ".join(f":{label}" for label in labels.split())

    @staticmethod
    def _phrase(phrase: Phrase) -> str:
        quoted = [f"'{word}'" for word in phrase.words]
        return "(" + " <-> ".join(quoted) + (":*" if phrase.is_open else "") + ")"


def index() -> SearchIndex:
    """The index of the database in use."""
    return SQLiteIndex() if connection.vendor == "sqlite" else PostgreSQLIndex()


def find(phrases: Sequence[Phrase], within: Within) -> list[str]:
    """As `SearchIndex.find`. Nothing is found without a word, or in no course."""
    if not phrases or (within.courses is not None and not within.courses):
        return []
    return index().find(phrases, within)


def _found(sql: str, parameters: list[Any]) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(dict.fromkeys(row[0] for row in cursor.fetchall()))
