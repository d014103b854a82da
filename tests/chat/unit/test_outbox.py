"""What could not be settled while the database was away, and is made up for."""

import asyncio
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from apps.chat.accounting import outbox
from apps.chat.accounting.journal import JournalEntry
from apps.chat.idempotency.claims import ClaimEnd
from apps.common.commit import StoreAway, Writer
from apps.common.ids import new_id
from apps.common.owners import Owner
from apps.conversations.models import Call
from apps.conversations.spool import files
from apps.conversations.spool.writer import Spool
from apps.quotas.ledger.movements import Release, Settle
from apps.quotas.models import Hold
from tests.chat.unit.desk import LATER, Desk


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine with the spool of one process."""

    directory: Path
    owner: Owner
    spool: Spool

    def keep(self, unit: JournalEntry, *, call: str) -> None:
        asyncio.run(outbox.put(self.spool, unit, call=call))

    def make_up(self, writer: Writer, *, mine: Path | None = None) -> int:
        spools, owners = self.directory / "spool", self.directory / "owners"
        return asyncio.run(outbox.flush(writer, spools=spools, owners=owners, mine=mine or self.spool.path))

    @property
    def waiting(self) -> list[str]:
        return [kept.call for kept in files.settlements(self.spool.path)]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    owner = Owner(tmp_path / "owners")
    own_spool = Spool(tmp_path / "spool" / f"{owner.id}.sqlite3")
    own_spool.start()
    yield Machine(tmp_path, owner, own_spool)
    own_spool.stop()


def settlement(desk: Desk, call: str, charge: int) -> JournalEntry:
    return JournalEntry(Settle(hold=call, charge=charge, now=LATER), desk.record(call, hits=True, charged=charge))


def test_a_unit_comes_back_from_the_disk_as_it_was(desk: Desk) -> None:
    call = new_id()
    kept = ClaimEnd("claim", call, "sealed")
    units = [
        settlement(desk, call, 70),
        settlement(desk, call, 70)._replace(kept=kept),
        JournalEntry(Release(hold=call, now=LATER), kept=replace(kept, answer=None)),
        JournalEntry(record=desk.record(call)),
        JournalEntry(record=desk.record(call)._replace(attempts=(desk.attempt(call),))),
    ]

    assert [outbox.from_body(outbox.to_body(unit)) for unit in units] == units


def test_what_is_kept_is_settled_and_recorded(desk: Desk, machine: Machine) -> None:
    call = desk.reserve()
    machine.keep(settlement(desk, call, 70), call=call)
    before = machine.waiting

    made_up = machine.make_up(desk.writer)

    row = Call.objects.get(pk=call)
    assert (before, made_up, machine.waiting) == ([call], 1, [])
    assert (Hold.objects.get(pk=call).charged, row.charged, row.rule_hits.count()) == (70, 70, 1)


def test_a_settlement_that_had_been_committed_after_all_changes_nothing(desk: Desk, machine: Machine) -> None:
    call = desk.reserve()
    desk.settle(call, 70, hits=True)
    machine.keep(settlement(desk, call, 70), call=call)

    machine.make_up(desk.writer)

    row = Call.objects.get(pk=call)
    assert (Hold.objects.get(pk=call).state, row.charged, row.rule_hits.count()) == (Hold.State.SETTLED, 70, 1)


def test_a_disk_that_takes_nothing_keeps_nobody_waiting(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(outbox, "DISK_SECONDS", 0.01)
    stuck = Spool(tmp_path / "spool" / "stuck.sqlite3")  # its thread has not started
    call = desk.reserve()

    asyncio.run(outbox.put(stuck, settlement(desk, call, 70), call=call))

    assert f"the settlement of call {call}" in caplog.text
    stuck.start()
    stuck.stop()
    assert [kept.call for kept in files.settlements(stuck.path)] == [call]


def test_the_hold_of_a_reservation_of_which_nothing_was_known_is_released(desk: Desk, machine: Machine) -> None:
    call, never = desk.reserve(), new_id()
    for id in (call, never):
        machine.keep(JournalEntry(Release(hold=id, now=LATER)), call=id)

    assert machine.make_up(desk.writer) == 2
    assert Hold.objects.get(pk=call).state == Hold.State.RELEASED


def test_more_than_are_read_at_once_are_all_made_up_for(desk: Desk, machine: Machine) -> None:
    calls = [new_id() for _ in range(1200)]
    for call in calls:
        machine.spool.keep(call=call, settlement=outbox.to_body(JournalEntry(record=desk.record(call))))
    machine.keep(JournalEntry(), call="last")

    assert machine.make_up(desk.writer) == 1201
    assert Call.objects.filter(pk__in=calls).count() == 1200


def test_while_the_database_is_away_everything_stays(desk: Desk, machine: Machine) -> None:
    call = desk.reserve()
    machine.keep(settlement(desk, call, 70), call=call)
    desk.writer.stop()

    with pytest.raises(StoreAway):
        machine.make_up(desk.writer)

    assert machine.waiting == [call]


def test_what_the_database_refuses_for_good_stays_and_holds_up_nobody(
    desk: Desk, machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = new_id(), new_id()
    machine.keep(JournalEntry(record=desk.record(bad, course_id=-1)), call=bad)
    machine.keep(JournalEntry(record=desk.record(good)), call=good)

    made_up = machine.make_up(desk.writer), machine.make_up(desk.writer)

    assert (made_up, machine.waiting, files.is_empty(machine.spool.path)) == ((1, 0), [], False)
    assert Call.objects.filter(pk=good).exists()
    assert caplog.text.count(f"The settlement of call {bad} was refused") == 1


def test_a_dead_process_is_made_up_for_by_another(desk: Desk, machine: Machine) -> None:
    call = desk.reserve()
    machine.keep(settlement(desk, call, 70), call=call)
    another = machine.directory / "spool" / "another.sqlite3"

    while_it_lives = machine.make_up(desk.writer, mine=another)
    machine.owner.close()
    after_its_end = machine.make_up(desk.writer, mine=another)

    assert (while_it_lives, after_its_end) == (0, 1)


def test_a_spool_that_is_removed_meanwhile_holds_nothing(
    machine: Machine, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process has drained what a dead one left, and removes its file just when this one opens it."""
    gone = machine.directory / "spool" / "dead.sqlite3"
    files.connect(gone).close()
    find = files.settlements

    def remove_first(path: Path, **options: int) -> list[files.KeptSettlement]:
        if path == gone:
            gone.unlink()
            raise sqlite3.OperationalError("disk I/O error")
        return find(path, **options)

    monkeypatch.setattr(files, "settlements", remove_first)
    call = desk.reserve()
    machine.keep(settlement(desk, call, 70), call=call)

    assert machine.make_up(desk.writer) == 1
    assert not gone.exists()
