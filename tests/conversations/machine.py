"""A machine with spools, beside the database into which they are drained."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from apps.accounts.models import Membership
from apps.common.ids import new_id
from apps.conversations import history
from apps.conversations.history import Message
from apps.conversations.models import Call, Exchange, Thread, Turn
from apps.conversations.spool import files
from apps.conversations.spool.draining import drain_all
from apps.conversations.spool.files import SpooledRecord, SpooledTurn
from tests import factories

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)


class Machine:
    """A machine with one student's calls, one spool and its owner."""

    def __init__(self, directory: Path) -> None:
        self.spools, self.owners = directory / "spools", directory / "owners"
        self.spools.mkdir()
        self.owners.mkdir()
        self.path = self.spools / "dead.sqlite3"
        self.student: Membership = factories.make_student()
        self._calls = 0

    def call(self, *, settled: bool = True) -> str:
        """A call, one a minute. It has a row unless it is not settled yet."""
        id = new_id()
        self._calls += 1
        if settled:
            self.settle(id)
        return id

    def settle(self, id: str) -> None:
        Call.objects.create(
            id=id,
            course=self.student.course,
            membership=self.student,
            model="m",
            status="answered",
            started_at=NOW + timedelta(minutes=self._calls),
        )

    def spool(
        self, *records: SpooledRecord | bytes, call: str = "", path: Path | None = None, at: float | None = None
    ) -> None:
        file = files.connect(path or self.path)
        for record in records:
            name, body = (call, record) if isinstance(record, bytes) else (record.call, record.body())
            file.execute("INSERT INTO records (call, body, at) VALUES (?, ?, ?)", (name, body, at or time.time()))
        file.close()

    def waiting(self, path: Path | None = None) -> list[str]:
        file = files.connect(path or self.path)
        rows = [row[0] for row in file.execute("SELECT call FROM records ORDER BY id")]
        file.close()
        return rows

    def drain_all(self) -> int:
        return drain_all(spools=self.spools, owners=self.owners)

    def written(self) -> list[Any]:
        """Everything that the student's calls have left in the database."""
        mine = {"call__membership": self.student}
        return [
            sorted(Turn.objects.filter(**mine).values_list("call", "seq", "message", "role", "text")),
            sorted(Exchange.objects.filter(**mine).values_list("call", "thread", "tail")),
            sorted(Thread.objects.filter(membership=self.student).values_list("id", "title", "started_at", "last_at")),
        ]

    def texts(self, call: str) -> list[str]:
        return list(Turn.objects.filter(call=call).order_by("seq").values_list("text", flat=True))

    def thread(self, call: str) -> Thread:
        return Exchange.objects.get(call=call).thread


def said(*texts: str) -> list[Message]:
    """The student and the assistant taking turns."""
    return [Message(n, "assistant" if n % 2 else "user", text) for n, text in enumerate(texts)]


def record_of(machine: Machine, call: str, *texts: str, answer: str = "", whole: bool = True) -> SpooledRecord:
    """The final record of a call with these messages. Not `whole`: without its history."""
    messages = said(*texts)
    place = history.locate(messages, membership_id=machine.student.pk)
    new = messages if whole else messages[place.history :]
    turns = [SpooledTurn(m.position, m.position, m.role, m.text) for m in new]
    if answer:
        turns.append(SpooledTurn(len(messages), None, "assistant", answer))
    tail = history.extend(place.digest, "assistant", answer) if answer else ""
    return SpooledRecord(call=call, turns=tuple(turns), final=True, head=place.head, tail=tail, history=place.history)
