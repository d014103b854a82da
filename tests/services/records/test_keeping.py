"""What a process keeps of the requests to services, and what reaches the database."""

import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError

from apps.accounts.models import Membership
from apps.common.ids import first_id, new_id
from apps.services.models import ServiceCount, ServiceRecord
from apps.services.outcomes import RequestOutcome
from apps.services.records import keeping, rows
from apps.services.records.counts import CountKey, MinuteTally
from apps.services.records.keeping import MOST_A_SECOND, MOST_KEPT, Records
from apps.services.records.notes import RequestNote
from tests import factories
from tests.services.records.test_notes import NOTE

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
ENDPOINT: Any = SimpleNamespace(id=2, url="http://127.0.0.1:1")


def arrival(percent: int = 100, member: Membership | None = None, path: str = "/") -> Any:
    entry = SimpleNamespace(id=1, name="users", sample_percent=percent)
    principal = SimpleNamespace(membership_id=member.pk, course_id=member.course_id) if member is not None else None
    return SimpleNamespace(id=new_id(), entry=entry, method="GET", rest=path, principal=principal, now=NOW)


def noted(records: Records, *, times: int = 1, percent: int = 100, **ended: Any) -> list[RequestNote]:
    values = {"endpoint": ENDPOINT, "status": 200, "first_byte_ms": 3, "duration_ms": 5, **ended}
    for _ in range(times):
        records.note(arrival(percent), **values)
    return list(records._rows)


def test_a_share_of_the_answers_leaves_rows() -> None:
    assert len(noted(Records(), times=90, percent=10)) == 9
    assert len(noted(Records(), times=90, percent=0)) == 0
    assert len(noted(Records(), times=90, percent=100)) == 90


def test_trouble_always_leaves_a_row_and_a_refusal_never() -> None:
    assert len(noted(Records(), times=9, percent=1, status=502, code="upstream_failed", first_byte_ms=None)) == 9
    assert noted(Records(), times=9, status=429, code="rate_limited", first_byte_ms=None, endpoint=None) == []
    assert noted(Records(), times=9, percent=0, status=500) == []


def test_rows_are_bounded_and_counts_are_not() -> None:
    records = Records()

    assert len(noted(records, times=MOST_A_SECOND + 50)) == MOST_A_SECOND
    assert sum(tally.requests for tally in records._tallies.values()) == MOST_A_SECOND + 50


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def write(counts: Any, notes: Any) -> None:
        del counts[:1]  # was committed before
        raise OperationalError("away")

    monkeypatch.setattr(keeping.rows, "write", write)
    yield


async def test_what_is_not_written_stays_for_the_next_time(away: None) -> None:
    records = Records()
    noted(records, times=3)
    noted(records, times=2, status=500)
    await records.write()
    noted(records, status=500)

    assert list(records._tallies.values()) == [MinuteTally(3)]
    assert len(records._rows) == 6


async def test_what_is_being_written_when_the_process_ends_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, may_fail = threading.Event(), threading.Event()

    def write(counts: Any, notes: Any) -> None:
        begun.set()
        may_fail.wait(10)
        raise OperationalError("away")

    monkeypatch.setattr(keeping.rows, "write", write)
    records = Records()
    noted(records, times=3)
    writing = asyncio.create_task(records.write())
    await asyncio.to_thread(begun.wait, 10)

    writing.cancel()
    await asyncio.sleep(0)
    may_fail.set()
    await asyncio.wait([writing])

    assert (writing.cancelled(), len(records._rows), len(records._tallies)) == (True, 3, 1)


async def test_old_rows_give_way_while_the_database_is_away(away: None) -> None:
    records = Records()
    for _ in range(MOST_KEPT // MOST_A_SECOND + 1):
        last = noted(records, times=MOST_A_SECOND)[-1]
        records._room = MOST_A_SECOND
        await records.write()

    assert len(records._rows) == MOST_KEPT
    assert records._rows[-1] == last


def counted(requests: int = 1, **key: Any) -> tuple[CountKey, MinuteTally]:
    values = {"service": 1, "minute": NOW, "instance": 2, "outcome": RequestOutcome.ANSWERED, "bucket": 3, **key}
    return CountKey(**values), MinuteTally(requests, 10, 20)


@pytest.mark.django_db
def test_counts_of_several_processes_add_up() -> None:
    rows.write([counted(), counted(bucket=4)], [])
    rows.write([counted(5)], [])

    found = ServiceCount.objects.order_by("bucket").values_list("bucket", "requests", "bytes_in", "bytes_out", "minute")
    assert list(found) == [(3, 6, 20, 40, NOW), (4, 1, 10, 20, NOW)]


@pytest.mark.django_db
def test_a_record_has_its_member_unless_they_are_gone() -> None:
    member = factories.make_student()
    notes = [
        replace(NOTE, id=new_id(), membership=member.pk, course=member.course_id, path="/a\N{SNOWMAN}"),
        replace(NOTE, id=new_id(), membership=10**9, course=member.course_id),
        replace(NOTE, id=new_id()),
    ]
    rows.write([], notes + notes[:1])

    found = ServiceRecord.objects.in_bulk()
    assert [found[note.id].membership for note in notes] == [member, None, None]
    assert found[notes[0].id].path == "/a\N{SNOWMAN}"
    assert {record.outcome for record in found.values()} == {"answered"}


@pytest.mark.django_db
def test_what_is_old_goes() -> None:
    old, new = NOW - timedelta(days=15), NOW - timedelta(days=13)
    rows.write([counted(minute=old), counted(minute=new)], [replace(NOTE, id=first_id(at)) for at in (old, new)])

    assert rows.forget(now=NOW) == 1
    assert ServiceRecord.objects.get().pk == first_id(new)
    assert ServiceCount.objects.get().minute == new


@pytest.mark.django_db
def test_however_many_are_old_all_go() -> None:
    old = [counted(minute=NOW - timedelta(days=15), instance=instance) for instance in range(510)]
    rows.write([*old, counted()], [])

    rows.forget(now=NOW)

    assert ServiceCount.objects.get().minute == NOW


@pytest.mark.django_db
def test_the_oldest_go_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MOST_ROWS", 3)
    kept = sorted(factories.make_record().pk for _ in range(5))[2:]

    assert rows.forget(now=NOW) == 2
    assert sorted(ServiceRecord.objects.values_list("pk", flat=True)) == kept


def test_a_burst_of_notes_costs_little() -> None:
    """Noting is done on the event loop."""
    records, one, began = Records(), arrival(), time.perf_counter()
    for _ in range(1_000):
        records.note(one, endpoint=ENDPOINT, status=200, first_byte_ms=3, duration_ms=5)

    assert time.perf_counter() - began < 1.0  # about 20 microseconds each, on a machine that is not busy
