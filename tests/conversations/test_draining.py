"""From the spools into the database."""

import fcntl
import os
from dataclasses import replace
from pathlib import Path

import pytest

from apps.common.owners import Owner
from apps.conversations.models import DeadLetter, Exchange, Turn
from apps.conversations.spool import files
from apps.conversations.spool.draining import _batches, drain, drain_all
from apps.conversations.spool.files import SpooledRecord, SpooledTurn
from tests.conversations.machine import Machine, record_of

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
    long = "word " * 5_000
    texts = [f"Question {n} {long if n % 4 == 0 else ''}" for n in range(len(calls))]
    machine.spool(*(record_of(machine, call, text, answer="a") for call, text in zip(calls, texts, strict=True)))

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
