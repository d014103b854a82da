"""From the spools into the database: as often as need be, with the same result."""

import fcntl
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection

from apps.accounts.models import Membership
from apps.common.ids import new_id
from apps.common.outages import database_outage
from apps.common.owners import Owner
from apps.conversations import history
from apps.conversations.history import Message
from apps.conversations.models import Call, DeadLetter, Exchange, Thread, Turn
from apps.conversations.spool import files
from apps.conversations.spool.draining import _batches, drain, drain_all, replay
from apps.conversations.spool.files import SpooledRecord, SpooledTurn
from apps.conversations.tasks import drain_spools
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


@pytest.fixture
def machine(db: None, tmp_path: Path) -> Machine:
    return Machine(tmp_path)


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


# Into the database, out of the spool


def test_what_was_said_reaches_the_database_and_leaves_the_spool(machine: Machine) -> None:
    call = machine.call()
    machine.spool(record_of(machine, call, "Explain  recursion", answer="See recursion."))

    drained = drain(machine.path)

    turns = Turn.objects.filter(call=call).values_list("seq", "message", "role", "text")
    assert list(turns) == [(0, 0, "user", "Explain  recursion"), (1, None, "assistant", "See recursion.")]
    assert machine.thread(call).title == "Explain recursion"
    assert (drained, machine.waiting()) == (1, [])


def test_a_character_that_no_database_stores_is_replaced(machine: Machine) -> None:
    call = machine.call()
    machine.spool(record_of(machine, call, "one\0two", answer="\0"))

    drain(machine.path)

    assert machine.texts(call) == ["one\ufffdtwo", "\ufffd"]
    assert machine.thread(call).title == "one\ufffdtwo"


def test_pieces_of_a_long_answer_are_all_kept_in_order(machine: Machine) -> None:
    call = machine.call()
    whole = record_of(machine, call, "Hello", answer="c")
    pieces = [SpooledTurn(seq, None, "assistant", text) for seq, text in ((1, "a"), (2, "b"))]
    machine.spool(
        SpooledRecord(call=call, turns=(whole.turns[0], pieces[0])),
        SpooledRecord(call=call, turns=(pieces[1],)),
        replace(whole, turns=(SpooledTurn(3, None, "assistant", "c"),)),
    )

    drain(machine.path)

    assert machine.texts(call) == ["Hello", "a", "b", "c"]
    assert Exchange.objects.filter(call=call).count() == 1


def test_a_call_without_an_answer_is_a_conversation_too(machine: Machine) -> None:
    call = machine.call()
    machine.spool(record_of(machine, call, "Solve my homework"))

    drain(machine.path)

    assert (machine.texts(call), Exchange.objects.get(call=call).tail) == (["Solve my homework"], "")


def test_more_than_one_batch_is_drained(machine: Machine) -> None:
    calls = [machine.call() for _ in range(40)]
    machine.spool(*(record_of(machine, call, f"Question {n}", answer="a") for n, call in enumerate(calls)))

    assert drain(machine.path) == 40
    assert Exchange.objects.filter(call__in=calls).count() == 40


def test_a_call_that_is_not_settled_keeps_its_records_waiting(machine: Machine) -> None:
    open_call, settled = machine.call(settled=False), machine.call()
    machine.spool(record_of(machine, open_call, "One", answer="1"), record_of(machine, settled, "Two", answer="2"))

    first = drain(machine.path)
    waiting = machine.waiting()
    machine.settle(open_call)
    second = drain(machine.path)

    assert (first, waiting, second) == (1, [open_call], 1)
    assert machine.texts(open_call) == ["One", "1"]


def test_an_empty_spool_drains_nothing(machine: Machine) -> None:
    machine.spool()

    assert drain(machine.path) == 0


def test_what_comes_while_a_spool_is_drained_waits_for_the_next_time(machine: Machine) -> None:
    """Ids are given again once the greatest are gone. Going on would find a call's later record only."""
    machine.spool(*[b"{}"] * 4, call="first")
    file = files.connect(machine.path)

    seen = []
    for batch in _batches(file, 2):
        seen.append([waiting.id for waiting in batch])
        file.executemany("DELETE FROM records WHERE id = ?", [(waiting.id,) for waiting in batch])
        machine.spool(*[b"{}"] * 3, call="second")
        if len(seen) == 2:
            file.execute("DELETE FROM records")
            machine.spool(*[b"{}"] * 6, call="third")
    file.close()

    assert seen == [[1, 2], [3, 4]]
    assert machine.waiting() == ["third"] * 6


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


# Conversations


def test_a_call_continues_the_conversation_whose_answer_it_repeats(machine: Machine) -> None:
    first, second = machine.call(), machine.call()
    machine.spool(
        record_of(machine, first, "1", answer="2"), record_of(machine, second, "1", "2", "3", answer="4", whole=False)
    )

    drain(machine.path)

    thread = machine.thread(second)
    assert thread == machine.thread(first)
    assert (thread.started_at, thread.last_at) == (NOW + timedelta(minutes=1), NOW + timedelta(minutes=2))


def test_history_that_the_conversation_has_already_is_not_kept_twice(machine: Machine) -> None:
    first, second = machine.call(), machine.call()
    machine.spool(record_of(machine, first, "1", answer="2"), record_of(machine, second, "1", "2", "3", answer="4"))

    drain(machine.path)

    assert (machine.texts(first), machine.texts(second)) == (["1", "2"], ["3", "4"])


def test_a_history_that_nobody_knows_is_kept_whole_in_a_new_conversation(machine: Machine) -> None:
    call = machine.call()
    machine.spool(record_of(machine, call, "1", "2", "3", answer="4"))

    drain(machine.path)

    assert machine.texts(call) == ["1", "2", "3", "4"]
    assert machine.thread(call).title == "1"


def test_branches_stay_in_one_conversation(machine: Machine) -> None:
    root, one, other = machine.call(), machine.call(), machine.call()
    machine.spool(
        record_of(machine, root, "1", answer="2"),
        record_of(machine, one, "1", "2", "3", answer="4"),
        record_of(machine, other, "1", "2", "other", answer="5"),
    )

    drain(machine.path)

    assert machine.thread(root) == machine.thread(one) == machine.thread(other)
    assert (machine.texts(one), machine.texts(other)) == (["3", "4"], ["other", "5"])


def test_the_same_question_asked_anew_is_a_new_conversation(machine: Machine) -> None:
    first, second = machine.call(), machine.call()
    machine.spool(record_of(machine, first, "1", answer="2"), record_of(machine, second, "1", answer="2"))

    drain(machine.path)

    assert machine.thread(first) != machine.thread(second)


def test_another_student_s_conversation_is_never_continued(machine: Machine, tmp_path: Path) -> None:
    call, foreign = machine.call(), machine.call()
    other = factories.make_student(course=machine.student.course)
    machine.spool(record_of(machine, call, "1", answer="2"))
    drain(machine.path)
    Call.objects.filter(pk=foreign).update(membership=other)

    machine.spool(record_of(machine, foreign, "1", "2", "3", answer="4"))
    drain(machine.path)

    assert machine.thread(foreign) != machine.thread(call)
    assert machine.texts(foreign) == ["1", "2", "3", "4"]


def test_an_older_call_that_comes_late_does_not_set_the_conversation_back(machine: Machine) -> None:
    first, second, third = (machine.call() for _ in range(3))
    machine.spool(record_of(machine, first, "1", answer="2"), record_of(machine, third, "1", "2", "3", answer="4"))
    drain(machine.path)

    machine.spool(record_of(machine, second, "1", "2", "x", answer="y"))
    drain(machine.path)

    assert machine.thread(second).last_at == NOW + timedelta(minutes=3)


# What the database refuses

BAD = [
    b"not json",
    b"null",
    b"[]",
    b"{}",
    b'{"call": "x", "turns": [{"seq": "x", "message": 0, "role": "u", "text": ""}]}',
]
BAD += [b'{"call": "x", "turns": [3]}', b"\xff", b'{"call": "x", "turns": [], "novelty": 1}']


@pytest.mark.parametrize("body", BAD, ids=repr)
def test_a_bad_record_becomes_a_dead_letter_and_its_neighbours_pass(machine: Machine, body: bytes) -> None:
    before, bad, after = (machine.call() for _ in range(3))
    machine.spool(record_of(machine, before, "1", answer="2"))
    machine.spool(body, call=bad)
    machine.spool(record_of(machine, after, "3", answer="4"))

    drain(machine.path)

    letter = DeadLetter.objects.get(call=bad)
    assert letter.record == {"body": body.decode(errors="replace")}
    assert letter.error
    assert (machine.texts(before), machine.texts(after), machine.waiting()) == (["1", "2"], ["3", "4"], [])


def test_a_bad_record_may_hold_what_no_database_stores(machine: Machine) -> None:
    call = machine.call()
    machine.spool(b"not \0 json", call=call)

    drain(machine.path)

    assert DeadLetter.objects.get(call=call).record == {"body": "not \ufffd json"}


def test_a_bad_record_takes_no_other_record_of_its_call_along(machine: Machine) -> None:
    call = machine.call()
    machine.spool(b"not json", record_of(machine, call, "1", answer="2"), call=call)

    drain(machine.path)

    assert machine.texts(call) == ["1", "2"]


# Whole machines


def test_all_spools_of_a_machine_are_drained(machine: Machine) -> None:
    calls = [machine.call() for _ in range(3)]
    for n, call in enumerate(calls):
        machine.spool(record_of(machine, call, "1", answer="2"), path=machine.spools / f"owner{n}.sqlite3")

    assert machine.drain_all() == 3


def test_the_empty_spool_of_a_dead_owner_is_removed(machine: Machine) -> None:
    (machine.owners / "dead.lock").touch()
    machine.spool(record_of(machine, machine.call(), "1", answer="2"))

    machine.drain_all()

    assert [file.name for file in machine.spools.iterdir()] == ["drain.lock"]
    assert list(machine.owners.iterdir()) == []


def test_the_spool_of_a_dead_owner_stays_while_something_waits(machine: Machine) -> None:
    call = machine.call(settled=False)
    machine.spool(record_of(machine, call, "1", answer="2"))

    machine.drain_all()

    assert machine.waiting() == [call]


def test_the_empty_spool_of_a_living_owner_stays(machine: Machine) -> None:
    owner = Owner(machine.owners)
    path = machine.spools / f"{owner.id}.sqlite3"
    machine.spool(record_of(machine, machine.call(), "1", answer="2"), path=path)

    machine.drain_all()

    assert path.exists()
    assert (machine.owners / f"{owner.id}.lock").exists()
    owner.close()


def test_while_another_process_drains_nothing_is_done(machine: Machine) -> None:
    call = machine.call()
    machine.spool(record_of(machine, call, "1", answer="2"))
    lock = os.open(machine.spools / "drain.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)

    drained = machine.drain_all()
    os.close(lock)

    assert (drained, machine.waiting()) == (0, [call])
    assert machine.drain_all() == 1


def test_a_machine_that_has_never_spooled_has_nothing_to_drain(tmp_path: Path) -> None:
    assert drain_all(spools=tmp_path / "new", owners=tmp_path / "owners") == 0


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
