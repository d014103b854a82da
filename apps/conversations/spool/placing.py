"""Placing: which turns to keep of spooled records, and which conversations their calls belong to.

`plan` only reads and `Placement.carry_out` only writes, a few statements for a whole batch: the database is locked for
writing no longer than they take, so that a student's call hardly ever waits for it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from django.db import connection, transaction

from apps.common.cursor import Cursor, cursor_on
from apps.conversations.models import Call, Exchange, Turn
from apps.conversations.search.index import Piece, index
from apps.conversations.search.words import comparable, joined
from apps.conversations.spool.files import SpooledRecord, SpooledTurn
from apps.conversations.titles import title_of

_End = tuple[int, str]  # a member, and the digest at the end of an answer
_BEFORE = ("call", "tail", "thread__membership", "thread", "thread__last_at")
_Row = tuple[Any, ...]

_TURN = {"call_id": "text", "seq": "bigint", "message": "bigint", "role": "text", "text": "text"}
_EXCHANGE = {"call_id": "text", "thread_id": "bigint", "tail": "text"}
_CONTINUED = {"id": "bigint", "last_at": "timestamptz"}
_BEGIN_THREAD = (
    "INSERT INTO conversations_thread (course_id, membership_id, title, started_at, last_at)"
    " VALUES (%s, %s, %s, %s, %s) RETURNING id"
)


class SettledCall(NamedTuple):
    """The columns of a call that placing needs. Making a model of each row takes three times as long."""

    id: str
    course: int
    member: int
    started_at: datetime


@dataclass(slots=True)
class Conversation:
    """A conversation that calls continue. It has no id until it is written."""

    id: int | None
    last_at: datetime


@dataclass(slots=True)
class Placement:
    """What is to be written of a batch of records: rows of turns, conversations that begin, and where calls belong."""

    turns: list[_Row] = field(default_factory=list)
    begun: list[tuple[Conversation, SettledCall, str]] = field(default_factory=list)  # by which call, and the title
    exchanges: list[tuple[str, Conversation, str]] = field(default_factory=list)
    continued: dict[int, datetime] = field(default_factory=dict)
    repeated: dict[str, int] = field(default_factory=dict)
    pieces: list[Piece] = field(default_factory=list)

    def carry_out(self) -> None:
        """Everything has been made ready when the transaction begins: it runs a statement for each table, no more."""
        connection.ensure_connection()
        cursor = cursor_on(connection)
        begun = [(thread, _thread_row(cursor, thread, call, title)) for thread, call, title in self.begun]
        continued = [(id, cursor.instant(at)) for id, at in self.continued.items()]
        repeated = list(self.repeated.items())
        with transaction.atomic(), cursor.wrap_errors:
            if self.turns:
                cursor.insert("conversations_turn", _TURN, self.turns, or_ignore=True)
            for thread, row in begun:
                cursor.execute(_BEGIN_THREAD, row)
                thread.id = cursor.fetchone()[0]
            if self.exchanges:
                placed = [(call, thread.id, tail) for call, thread, tail in self.exchanges]
                cursor.insert("conversations_exchange", _EXCHANGE, placed, or_ignore=True)
            if continued:
                later = "conversations_thread.last_at < new.last_at"
                cursor.update("conversations_thread", _CONTINUED, continued, where=later)
            if repeated:
                cursor.executemany("DELETE FROM conversations_turn WHERE call_id = %s AND message < %s", repeated)


def enter(pieces: Sequence[Piece]) -> None:
    """Enter what was said in the index of words, once the rest is there.

    In a transaction of its own, so that neither is long. If the process ends in between, the records are still in the
    spool: they are drained again, and what is there already stays.
    """
    if pieces:
        connection.ensure_connection()
        cursor = cursor_on(connection)
        with transaction.atomic(), cursor.wrap_errors:
            index().add(cursor, pieces)


def settled(ids: Iterable[str]) -> dict[str, SettledCall]:
    """Those of these calls that have a row."""
    rows = Call.objects.filter(pk__in=ids).values_list("pk", "course", "membership", "started_at")
    return {row[0]: SettledCall(*row) for row in rows.order_by()}


def _thread_row(cursor: Cursor, thread: Conversation, call: SettledCall, title: str) -> _Row:
    return call.course, call.member, title, cursor.instant(call.started_at), cursor.instant(thread.last_at)


def plan(records: Sequence[SpooledRecord], calls: Mapping[str, SettledCall]) -> Placement:
    """Records of settled calls, in the order in which they were spooled. Planning the same ones again is harmless."""
    return _Planner(records, calls).plan


class _Planner:
    def __init__(self, records: Sequence[SpooledRecord], calls: Mapping[str, SettledCall]) -> None:
        self.plan = Placement()
        self._calls = calls
        self._turns: dict[str, list[SpooledTurn]] = defaultdict(list)
        for record in records:
            self._turns[record.call] += record.turns
        finals = [record for record in records if record.final]
        ids = [record.call for record in finals]
        self._placed = dict(Exchange.objects.filter(call__in=ids).values_list("call", "thread"))
        self._ends = _ends({record.head for record in finals if record.head})
        for record in finals:
            self._place(record, calls[record.call])
        self.plan.turns = [_turn(call, turn) for call, turns in self._turns.items() for turn in turns]
        self.plan.pieces = list(_pieces(self.plan.turns, calls))

    def _place(self, record: SpooledRecord, call: SettledCall) -> None:
        """Let the call continue a conversation or begin one; once, however often it is drained."""
        placed = self._placed.get(call.id)
        previous = self._previous(record, call, placed)
        if placed is None:
            thread = self._begin(call) if previous is None else self._continue(previous, call)
            self.plan.exchanges.append((call.id, thread, record.tail))
            if record.tail:
                self._ends[call.member, record.tail].append((call.id, thread))
        if previous is not None and record.history:
            self._drop_history(record)

    def _previous(self, record: SpooledRecord, call: SettledCall, within: int | None) -> Conversation | None:
        """The conversation of the latest call that ended where this one's history does, if need be the one it is in."""
        for id, thread in reversed(self._ends[call.member, record.head] if record.head else []):
            if id != call.id and (within is None or thread.id == within):
                return thread
        return None

    def _begin(self, call: SettledCall) -> Conversation:
        thread = Conversation(None, call.started_at)
        self.plan.begun.append((thread, call, self._title(call.id)))
        return thread

    def _continue(self, thread: Conversation, call: SettledCall) -> Conversation:
        thread.last_at = max(thread.last_at, call.started_at)
        if thread.id is not None:  # or this batch begins it
            self.plan.continued[thread.id] = max(thread.last_at, self.plan.continued.get(thread.id, thread.last_at))
        return thread

    def _drop_history(self, record: SpooledRecord) -> None:
        """The conversation has these turns already: keep of this call only what is new."""
        if all(turn.message is None for turn in record.turns):
            self.plan.repeated[record.call] = record.history  # the prompt came with an earlier record, perhaps long ago
        kept = [t for t in self._turns[record.call] if t.message is None or t.message >= record.history]
        self._turns[record.call] = kept

    def _title(self, call: str) -> str:
        own = next((turn.text for turn in self._turns[call] if turn.role == "user"), None)
        if own is None:
            earlier = Turn.objects.filter(call=call, role="user").order_by("seq")
            own = earlier.values_list("text", flat=True).first()
        return title_of(storable(own or ""))


def _ends(heads: set[str]) -> defaultdict[_End, list[tuple[str, Conversation]]]:
    """The calls that ended with one of these digests, in order, with their conversations."""
    found: defaultdict[_End, list[tuple[str, Conversation]]] = defaultdict(list)
    rows = Exchange.objects.filter(tail__in=heads).order_by("call").values_list(*_BEFORE)
    for call, tail, member, thread, last_at in rows:
        found[member, tail].append((call, Conversation(thread, last_at)))
    return found


def _turn(call: str, turn: SpooledTurn) -> _Row:
    """Raises ValueError or TypeError for what is no turn, which SQLite would store all the same."""
    message = None if turn.message is None else int(turn.message)
    return call, int(turn.seq), message, str(turn.role), storable(turn.text)


def _pieces(turns: Sequence[_Row], calls: Mapping[str, SettledCall]) -> Iterator[Piece]:
    """What each call added, for the index of words."""
    for call, rows in groupby(turns, key=itemgetter(0)):
        said = list(rows)
        words = comparable(joined((row[2], row[-1]) for row in said))
        yield Piece(call, said[0][1], calls[call].course, calls[call].member, words)


def storable(text: str) -> str:
    """PostgreSQL stores every character but one."""
    return text.replace("\0", "\ufffd")
