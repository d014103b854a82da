"""Searching by words: the same on both databases, through what is drained and what was there before."""

import pytest
from django.db import connection

from apps.common.cursor import cursor_on
from apps.conversations.models import Call, SearchDocument, SearchProgress, Turn
from apps.conversations.search.filling import fill
from apps.conversations.search.index import Piece, Within, find, index
from apps.conversations.search.words import LONGEST_TEXT, comparable, phrases
from apps.conversations.spool.draining import drain
from apps.conversations.spool.placing import plan, settled
from tests.conversations.machine import Machine, record_of

EVERYWHERE = Within()


def found(search: str, within: Within = EVERYWHERE) -> list[str]:
    return find(phrases(search), within)


def drained(machine: Machine, *texts: str, answer: str = "") -> str:
    call = machine.call()
    machine.spool(record_of(machine, call, *texts, answer=answer))
    drain(machine.path)
    return call


@pytest.mark.parametrize(
    ("said", "search"),
    [
        ("Explain recursion to me", "recursion"),
        ("Explain recursion to me", "RECURSION explain"),
        ("Explain recursion to me", "recurs"),
        ("def binary_search(xs):", "binary_search"),
        ("def binary_search(xs):", "search"),
        ("import os.path", "os.path"),
        ("x = fib(10)", "fib(10)"),
        ("Étude über Grüße", "etude gruße"),
        ("resume the résumé", "resume"),
        ("איך כותבים לולאה בפייתון", "לולאה"),
        ("שָׁלוֹם עולם", "שלום"),
        ("我想学递归算法", "递归"),
        ("नमस्ते दुनिया", "नमस्ते"),
        ("wait 1e5 3d 007 steps", "1e5 3d 007"),
        ("mail me at ada@example.edu, https://a.example/b?c=1", "example.edu c=1"),
        ("it's AND or NOT near", "and not near"),
        ("semi;colon 'quoted' \"more\" \\ end", "'quoted' \"more\" end"),
        ("Ελληνικά ΛΟΓΟΣ", "λογοσ"),
    ],
)
def test_words_are_found(said: str, search: str, machine: Machine) -> None:
    assert found(search) == []

    call = drained(machine, said)

    assert found(search) == [call]


@pytest.mark.parametrize(
    ("said", "search"),
    [
        ("Explain recursion", "cursion"),
        ("Explain recursion", "recursion iteration"),
        ("search binary", "binary_search"),
        ("a to-do list", "li"),
        ("anything", "* ( ) \" : ' &"),
        ("anything", ""),
        ("course1 member1", ":"),
    ],
)
def test_what_was_not_said_is_not_found(said: str, search: str, machine: Machine) -> None:
    drained(machine, said)

    assert found(search) == []


def test_answers_are_found_across_their_pieces(machine: Machine) -> None:
    call = drained(machine, "What is it?", answer="A Fibo" + "nacci number")

    assert found("fibonacci what") == [call]


def test_the_latest_come_first_and_once(machine: Machine) -> None:
    calls = [drained(machine, f"recursion {n}") for n in range(3)]

    assert found("recursion") == calls[::-1]


def test_a_search_stays_within_courses_and_students(machine: Machine) -> None:
    call = drained(machine, "recursion")
    course, member = machine.student.course_id, machine.student.pk

    assert found("recursion", Within({course, 0})) == [call]
    assert found("recursion", Within({course}, member)) == [call]
    assert found("recursion", Within({course + 1})) == []
    assert found("recursion", Within(set())) == []
    assert found("recursion", Within(None, member + 1)) == []
    assert found(f"course{course}") == found(f"member{member}") == []


def test_what_is_deleted_is_found_no_more(machine: Machine) -> None:
    call = drained(machine, "recursion")
    kept = drained(machine, "recursion again")

    Call.objects.get(pk=call).delete()

    assert found("recursion") == [kept]
    machine.student.delete()
    assert found("recursion") == []
    assert not SearchDocument.objects.exists()


def test_draining_again_enters_nothing_twice(machine: Machine) -> None:
    call = machine.call()
    for _ in range(2):
        machine.spool(record_of(machine, call, "recursion", answer="see recursion"))
        drain(machine.path)

    assert found("recursion") == [call]
    assert SearchDocument.objects.count() == 1


def test_a_crash_before_words_are_entered_is_made_up_for(machine: Machine) -> None:
    call, other = machine.call(), machine.call()
    records = record_of(machine, call, "recursion"), record_of(machine, other, "recursion too")
    machine.spool(*records)
    plan([records[0]], settled([call])).carry_out()

    drain(machine.path)

    assert found("recursion") == [other, call]
    assert SearchDocument.objects.count() == 2


def test_text_of_a_call_that_is_gone_is_left_out(machine: Machine) -> None:
    gone = Piece("f" * 32, 0, machine.student.course_id, machine.student.pk, "recursion")
    connection.ensure_connection()

    index().add(cursor_on(connection), [gone])

    assert found("recursion") == []


def test_a_huge_text_is_found_by_its_beginning(machine: Machine) -> None:
    many = " ".join(f"w{n}" for n in range(60_000))

    call = drained(machine, f"{'x' * 3_000} {many}")

    assert found("w77") == [call]
    assert found("w59999") == []
    assert len(comparable(many)) <= LONGEST_TEXT


def test_old_text_is_entered_by_and_by(machine: Machine) -> None:
    calls = [machine.call() for _ in range(40)]
    Turn.objects.bulk_create(Turn(call_id=call, seq=0, message=0, role="user", text="recursion") for call in calls)
    new = drained(machine, "recursion too")
    SearchProgress.objects.update(before="g")

    assert fill(seconds=0.0) == 0
    assert fill(seconds=60.0) == 41
    assert fill(seconds=60.0) == 0

    assert set(found("recursion")) == {*calls, new}
    assert SearchDocument.objects.filter(call=new).count() == 1
