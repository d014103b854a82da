"""One student whose calls are reserved, settled and recorded by a writer of its own."""

from datetime import UTC, datetime, timedelta
from typing import Any

from apps.accounts.models import ApiKey
from apps.chat.accounting import journal
from apps.chat.accounting.journal import JournalEntry
from apps.common.commit import Writer
from apps.common.ids import new_id
from apps.conversations.call_rows import AttemptRow, CallRow, HitRow, Record
from apps.quotas.ledger.movements import Account, Held, Reserve, Settle
from apps.quotas.weeks import week_at
from tests import factories

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
LATER = NOW + timedelta(seconds=90)


class Desk:
    """One student whose calls are reserved, settled and recorded."""

    def __init__(self, writer: Writer, *, owner: str) -> None:
        self.writer, self.owner = writer, owner
        self.student = factories.make_student()
        factories.make_key(self.student)
        self.key = ApiKey.objects.get(membership=self.student)
        self.rule = factories.make_rule(course=self.student.course)
        week = week_at(NOW, timezone="UTC", first_day=0)
        self.account = Account("student", self.student.pk, 1000, week)

    def row(self, id: str, **overrides: Any) -> CallRow:
        values = {
            "id": id,
            "course_id": self.student.course_id,
            "membership_id": self.student.pk,
            "api_key_id": self.key.pk,
            "model": "model",
            "is_stream": True,
            "status": "answered",
            "input_tokens": 30,
            "started_at": NOW,
        }
        return CallRow(**{**values, **overrides})

    def hit(self, id: str) -> HitRow:
        rule = self.rule
        return HitRow(call_id=id, rule_id=rule.pk, name="näme", action="block", stage="warn", message=0, start=1, end=4)

    def attempt(self, id: str) -> AttemptRow:
        return AttemptRow(call_id=id, number=1, provider="p", upstream_model="m", outcome="rate", status=429)

    def record(self, id: str, *, hits: bool = False, **overrides: Any) -> Record:
        return Record(self.row(id, **overrides), (self.hit(id),) if hits else ())

    def reserve(self, amount: int = 100, *, hits: bool = False) -> str:
        """A committed hold; its id is that of the call."""
        id = new_id()
        outcome = self.writer.call(journal.apply, JournalEntry(self.reservation(id, amount, hits=hits)))
        assert isinstance(outcome, Held)
        return id

    def reservation(self, id: str, amount: int, *, hits: bool = False) -> Reserve:
        return Reserve(
            hold=id,
            owner=self.owner,
            accounts=(self.account,),
            amount=amount,
            least=amount,
            floor=40,
            identity=journal.identity(self.row(id), [self.hit(id)] if hits else []),
            now=NOW,
            expires_at=NOW + timedelta(days=3650),  # by the clock on the wall nothing of these tests is due
        )

    def settle(self, id: str, charge: int, *, hits: bool = False, **overrides: Any) -> Any:
        record = self.record(id, hits=hits, charged=charge, **overrides)
        return self.writer.call(journal.apply, JournalEntry(Settle(hold=id, charge=charge, now=LATER), record))

    def expire(self, id: str) -> bool:
        return self.writer.call(journal.expire, (id, LATER))
