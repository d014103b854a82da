"""The rows of calls, as the writer's transactions write them."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from apps.accounts.models import Membership
from apps.common.commit import Writer
from apps.common.cursor import Cursor
from apps.common.ids import new_id
from apps.conversations import call_rows
from apps.conversations.call_rows import AttemptRow, CallRow, HitRow, Record
from apps.conversations.models import Call, CallAttempt, RuleHit
from tests import factories

NOW = datetime(2026, 11, 18, 12, 0, 0, 123456, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("committed_db")


def insert(cursor: Cursor, units: Any) -> list[None]:
    """A function for the writer: all records of its units at once."""
    call_rows.insert(cursor, [record for unit in units for record in unit])
    return [None] * len(units)


def correct(cursor: Cursor, units: Any) -> list[None]:
    call_rows.correct(cursor, [record for unit in units for record in unit])
    return [None] * len(units)


@pytest.fixture
def writer() -> Iterator[Writer]:
    writer = Writer(name="calls test")
    writer.start()
    yield writer
    writer.stop()


@pytest.fixture
def student() -> Membership:
    return factories.make_student()


def a_row(student: Membership, **overrides: Any) -> CallRow:
    values = {
        "id": new_id(),
        "course_id": student.course_id,
        "membership_id": student.pk,
        "api_key_id": None,
        "model": "model",
        "status": "answered",
        "started_at": NOW,
    }
    return CallRow(**{**values, **overrides})


def a_hit(call: str, rule: int, *, message: int = 0) -> HitRow:
    return HitRow(
        call_id=call, rule_id=rule, name="rule", action="block", stage="observe", message=message, start=0, end=1
    )


def test_every_column_is_written(writer: Writer, student: Membership) -> None:
    row = a_row(
        student,
        provider="p",
        upstream_model="u",
        attempts=2,
        is_stream=True,
        status="failed",
        error_code="e",
        input_tokens=1,
        cached_input_tokens=2,
        output_tokens=3,
        charged=2**40,
        is_estimated=True,
        first_byte_ms=5,
        duration_ms=6,
    )

    writer.call(insert, [Record(row)])

    stored = Call.objects.get(pk=row.id)
    assert {name: getattr(stored, name) for name in CallRow._fields} == {
        name: getattr(row, name) for name in CallRow._fields
    }


def test_nothing_is_written_for_no_records(writer: Writer) -> None:
    before = Call.objects.count()

    writer.call(insert, [])

    assert Call.objects.count() == before


def test_a_call_that_is_there_already_stays_as_it_is(writer: Writer, student: Membership) -> None:
    row = a_row(student, charged=1)
    writer.call(insert, [Record(row)])

    writer.call(insert, [Record(a_row(student, id=row.id, charged=9)), Record(other := a_row(student))])

    assert Call.objects.get(pk=row.id).charged == 1
    assert Call.objects.filter(pk=other.id).exists()


def test_the_same_call_twice_in_one_batch_is_written_once(writer: Writer, student: Membership) -> None:
    row = a_row(student)

    writer.call(insert, [Record(row), Record(row)])

    assert Call.objects.filter(pk=row.id).count() == 1


def test_a_full_batch_is_written(writer: Writer, student: Membership) -> None:
    rows = [a_row(student) for _ in range(512)]

    writer.call(insert, [Record(row) for row in rows])

    assert Call.objects.filter(membership=student).count() == 512


def test_hits_are_written_with_their_call(writer: Writer, student: Membership) -> None:
    rule = factories.make_rule(course=student.course)
    row = a_row(student)

    writer.call(insert, [Record(row, (a_hit(row.id, rule.pk, message=1), a_hit(row.id, rule.pk, message=2)))])

    assert list(RuleHit.objects.filter(call=row.id, rule=rule).values_list("message", flat=True)) == [1, 2]


def test_attempts_are_written_with_their_call(writer: Writer, student: Membership) -> None:
    row = a_row(student, status="failed")
    attempts = tuple(
        AttemptRow(call_id=row.id, number=n, provider="p", upstream_model="m", outcome="rate", status=429)
        for n in (1, 2)
    )

    writer.call(insert, [Record(row, attempts=attempts), Record(a_row(student))])
    writer.call(insert, [Record(row, attempts=attempts)])

    stored = CallAttempt.objects.filter(call__membership=student).values_list("call", "number", "outcome", "status")
    assert list(stored) == [(row.id, 1, "rate", 429), (row.id, 2, "rate", 429)]


def test_more_hits_than_fit_into_one_statement_are_written(writer: Writer, student: Membership) -> None:
    rule = factories.make_rule(course=student.course)
    row = a_row(student)

    writer.call(insert, [Record(row, tuple(a_hit(row.id, rule.pk) for _ in range(10_001)))])

    assert RuleHit.objects.filter(call=row.id).count() == 10_001


def test_hits_of_a_call_that_two_processes_write_at_once_are_written_once(writer: Writer, student: Membership) -> None:
    """As when both find it in the spool of a process that has died."""
    rule = factories.make_rule(course=student.course)
    row = a_row(student)
    record = Record(row, (a_hit(row.id, rule.pk),))
    is_written, may_commit = threading.Event(), threading.Event()

    def insert_slowly(cursor: Cursor, units: Any) -> list[None]:
        insert(cursor, units)
        list(cursor.select("id", "conversations_call", [row.id]))  # a pipeline has sent it now
        is_written.set()
        may_commit.wait(10)
        return [None] * len(units)

    other = Writer(name="other process")
    other.start()
    with ThreadPoolExecutor(2) as threads:
        slow = threads.submit(writer.call, insert_slowly, [record])
        is_written.wait(10)
        second = threads.submit(other.call, insert, [record])
        time.sleep(0.3)  # it waits for the first one's commit by now
        may_commit.set()
        slow.result(10)
        second.result(10)
    other.stop()

    assert RuleHit.objects.filter(call=row.id).count() == 1


def test_a_call_of_a_student_who_is_gone_is_left_out(writer: Writer, student: Membership) -> None:
    gone = factories.make_student()
    rule = factories.make_rule(course=student.course)
    left_out, kept = a_row(gone), a_row(student)
    gone.delete()

    writer.call(insert, [Record(left_out, (a_hit(left_out.id, rule.pk),)), Record(kept)])

    assert [Call.objects.filter(pk=row.id).exists() for row in (left_out, kept)] == [False, True]


def test_a_correction_replaces_how_a_call_ended(writer: Writer, student: Membership) -> None:
    rule = factories.make_rule(course=student.course)
    row = a_row(student, status="interrupted", charged=1, is_estimated=True)
    writer.call(insert, [Record(row, (a_hit(row.id, rule.pk),))])

    better = a_row(student, id=row.id, charged=9, provider="p", first_byte_ms=3, output_tokens=4)
    writer.call(correct, [Record(better, (a_hit(row.id, rule.pk),))])

    stored = Call.objects.get(pk=row.id)
    assert (stored.status, stored.charged, stored.is_estimated, stored.provider) == ("answered", 9, False, "p")
    assert (stored.first_byte_ms, stored.output_tokens, stored.rule_hits.count()) == (3, 4, 1)


def test_a_correction_of_an_unknown_call_writes_nothing(writer: Writer, student: Membership) -> None:
    row = a_row(student)

    writer.call(correct, [Record(row)])

    assert not Call.objects.filter(pk=row.id).exists()
