"""Conversations: the text of a share of the calls, some of which continue one another, and its words for searches."""

import random
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Max

from apps.common.cursor import Cursor
from apps.conversations.models import Thread
from apps.conversations.search.index import Piece, index
from apps.conversations.search.words import comparable
from gateway_project.demo_data import words
from gateway_project.demo_data.books import parts
from gateway_project.demo_data.traffic import DemoCall

CONTINUED = 0.5
_THREAD = {
    "id": "bigint", "course_id": "bigint", "membership_id": "bigint", "title": "text", "started_at": "timestamptz",
    "last_at": "timestamptz",
}  # fmt: skip
_EXCHANGE = {"call_id": "text", "thread_id": "bigint", "tail": "text"}
_TURN = {"call_id": "text", "seq": "bigint", "message": "bigint", "role": "text", "text": "text"}


@dataclass(slots=True)
class Texts:
    """The conversations of a day; none goes on for longer."""

    share: float
    chance: random.Random
    next_thread: int = field(default_factory=lambda: (Thread.objects.aggregate(newest=Max("pk"))["newest"] or 0) + 1)
    threads: dict[int, list[Any]] = field(default_factory=dict)
    latest: dict[int, tuple[int, int]] = field(default_factory=dict)  # thread and messages, by membership
    exchanges: list[Any] = field(default_factory=list)
    turns: list[Any] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)

    def add(self, call: DemoCall) -> None:
        row = call.record.call
        if row.status not in ("answered", "blocked", "left") or self.chance.random() >= self.share:
            return
        question = self.chance.choice(words.QUESTIONS)
        thread, messages = self.latest.get(row.membership_id, (0, 0))
        if not thread or self.chance.random() >= CONTINUED:
            thread, messages = self.next_thread, 0
            self.next_thread += 1
            title = " ".join(question.split())[:120]
            self.threads[thread] = [thread, row.course_id, row.membership_id, title, row.started_at, row.started_at]
        self.threads[thread][5] = row.started_at
        self.latest[row.membership_id] = thread, messages + 2
        self.exchanges.append((row.id, thread, f"{self.chance.getrandbits(128):032x}"))
        said: list[Any] = [(row.id, messages, messages, "user", question)]
        if row.status != "blocked":
            said.append((row.id, messages + 1, None, "assistant", self.chance.choice(words.ANSWERS)))
        self.turns += said
        searched = comparable("\n".join(turn[-1] for turn in said))
        self.pieces.append(Piece(row.id, messages, row.course_id, row.membership_id, searched))

    def write(self, cursor: Cursor) -> None:
        threads = [(*row[:4], cursor.instant(row[4]), cursor.instant(row[5])) for row in self.threads.values()]
        tables = (("thread", _THREAD, threads), ("exchange", _EXCHANGE, self.exchanges), ("turn", _TURN, self.turns))
        for name, columns, rows in tables:
            for part in parts(rows):
                cursor.insert(f"conversations_{name}", columns, part)
        for part in parts(self.pieces):
            index().add(cursor, part)
        for kept in (self.threads, self.latest, self.exchanges, self.turns, self.pieces):
            kept.clear()
