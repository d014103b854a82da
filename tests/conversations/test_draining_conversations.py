"""Which conversation a drained call continues."""

from datetime import timedelta
from pathlib import Path

from apps.conversations.models import Call
from apps.conversations.spool.draining import drain
from tests import factories
from tests.conversations.machine import NOW, Machine, record_of


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
