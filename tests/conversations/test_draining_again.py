"""Draining as often as need be, by several processes at once, gives the same result."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection

from apps.common.outages import database_outage
from apps.conversations.models import Call, DeadLetter, Exchange, Thread, Turn
from apps.conversations.spool.draining import drain, replay
from apps.conversations.spool.files import SpooledRecord, SpooledTurn
from apps.conversations.tasks import drain_spools
from tests.conversations.machine import Machine, record_of

# Again and again


def test_draining_twice_changes_nothing(machine: Machine) -> None:
    machine.spool(record_of(machine, machine.call(), "Hello", answer="Hi"))
    drain(machine.path)
    before = machine.written()

    assert drain(machine.path) == 0
    assert machine.written() == before


def conversation(machine: Machine) -> list[SpooledRecord]:
    """Three calls of one conversation, the second in pieces; each brings its whole history along."""
    first, second, third = (machine.call() for _ in range(3))
    long = record_of(machine, second, "1", "2", "3", answer="45")
    piece = SpooledRecord(call=second, turns=(*long.turns[:3], SpooledTurn(3, None, "assistant", "4")))
    return [
        record_of(machine, first, "1", answer="2"),
        piece,
        replace(long, turns=(SpooledTurn(4, None, "assistant", "5"),)),
        record_of(machine, third, "1", "2", "3", "45", "6", answer="7"),
    ]


@pytest.mark.parametrize("again_from", range(4))
def test_a_crash_between_the_database_and_the_spool_changes_nothing(machine: Machine, again_from: int) -> None:
    """What had been committed but not removed is drained again."""
    records = conversation(machine)
    machine.spool(*records)
    drain(machine.path)
    before = machine.written()

    machine.spool(*records[again_from:])
    drain(machine.path)

    assert machine.written() == before
    assert machine.waiting() == []


def test_a_history_kept_whole_stays_whole_when_it_becomes_known_later(machine: Machine) -> None:
    first, second = machine.call(), machine.call()
    late = record_of(machine, second, "1", "2", "3", answer="4")
    machine.spool(late)
    drain(machine.path)

    machine.spool(record_of(machine, first, "1", answer="2"), late)
    drain(machine.path)

    assert machine.texts(second) == ["1", "2", "3", "4"]
    assert machine.thread(first) != machine.thread(second)


@pytest.mark.parametrize("crash_after", range(1, 4))
def test_a_crash_in_the_middle_loses_and_doubles_nothing(machine: Machine, crash_after: int) -> None:
    records = conversation(machine)
    machine.spool(*records[:crash_after])
    drain(machine.path)

    machine.spool(*records)
    drain(machine.path)

    assert [machine.texts(record.call) for record in records[:1] + records[2:]] == [
        ["1", "2"],
        ["3", "4", "5"],
        ["6", "7"],
    ]
    assert Thread.objects.filter(membership=machine.student).count() == 1


# Two at once


@pytest.fixture
def shared(committed_db: None, tmp_path: Path) -> Machine:
    """A machine whose rows other threads see."""
    return Machine(tmp_path)


def drain_together(machine: Machine, *, drainers: int) -> int:
    barrier = threading.Barrier(drainers)

    def drain_once(_: int) -> int:
        try:
            barrier.wait(10)
            return machine.drain_all()
        finally:
            connection.close()

    with ThreadPoolExecutor(drainers) as pool:
        return sum(pool.map(drain_once, range(drainers)))


def test_two_drainers_at_once_do_the_work_once(shared: Machine) -> None:
    calls = [shared.call() for _ in range(50)]
    shared.spool(*(record_of(shared, call, f"{n}", answer="a") for n, call in enumerate(calls)))

    drained = drain_together(shared, drainers=2) + shared.drain_all()

    assert drained == 50
    assert Exchange.objects.filter(call__in=calls).count() == 50
    assert Thread.objects.filter(membership=shared.student).count() == 50


def test_a_call_settled_while_the_file_is_read_keeps_its_order(machine: Machine) -> None:
    late, other = machine.call(settled=False), machine.call()
    machine.spool(
        SpooledRecord(call=late, turns=(SpooledTurn(0, 0, "user", "first words"),)),
        SpooledRecord(call=other, turns=(SpooledTurn(0, 0, "user", "hi"),), final=True),
        SpooledRecord(call=late, turns=(SpooledTurn(1, None, "assistant", "an answer"),), final=True, tail="t"),
    )

    def settle(execute: Any, sql: str, *rest: Any) -> Any:
        result = execute(sql, *rest)
        if "conversations_exchange" in sql and not Call.objects.filter(pk=late).exists():
            machine.settle(late)
        return result

    with connection.execute_wrapper(settle):
        drain(machine.path, read=1)
    drain(machine.path, read=1)

    assert Thread.objects.get(exchanges__call=late).title == "first words"


def test_a_dead_letter_is_delivered_when_its_cause_is_gone(machine: Machine) -> None:
    call = machine.call(settled=False)
    record = SpooledRecord(call=call, turns=(SpooledTurn(0, 0, "user", "at last"),), final=True)
    letter = DeadLetter.objects.create(call=call, record={"body": record.body().decode()}, error="IntegrityError()")
    before = replay([letter])
    machine.settle(call)

    after = replay([letter])

    assert (before, after) == (0, 1)
    assert Turn.objects.get(call=call).text == "at last"
    assert not DeadLetter.objects.exists()


def test_what_waits_for_a_call_that_never_was_becomes_a_dead_letter(machine: Machine) -> None:
    call = machine.call(settled=False)
    machine.spool(SpooledRecord(call=call, final=True), at=time.time() - 25 * 3600)

    machine.drain_all()

    assert DeadLetter.objects.get().call == call
    assert not machine.path.exists()


def test_only_who_has_reached_the_database_says_that_it_is_back(
    machine: Machine, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.SPOOL_DIR, settings.OWNER_DIR = machine.spools, machine.owners
    database_outage.began(OperationalError("gone"))

    drain_spools()
    with_nothing_to_drain = "is back" in caplog.text
    machine.spool(SpooledRecord(call=machine.call(), final=True))
    drain_spools()

    assert (with_nothing_to_drain, "The database is back" in caplog.text) == (False, True)
