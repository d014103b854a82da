"""Counts and records of requests in the database. Blocking: for threads and workers."""

from dataclasses import astuple
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction

from apps.accounts.models import Membership
from apps.common.cursor import cursor_on
from apps.common.ids import first_id
from apps.services.models import ServiceCount, ServiceRecord
from apps.services.records.counts import CountKey, MinuteTally
from apps.services.records.notes import RequestNote

TOGETHER: Final = 32  # rows of a transaction, so that no call waits for it
KEPT: Final = timedelta(days=14)
MOST_ROWS: Final = 1_000_000
_ADD = """
    INSERT INTO services_servicecount (service, minute, instance, outcome, bucket, requests, bytes_in, bytes_out)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (service, minute, instance, outcome, bucket) DO UPDATE SET
        requests = services_servicecount.requests + excluded.requests,
        bytes_in = services_servicecount.bytes_in + excluded.bytes_in,
        bytes_out = services_servicecount.bytes_out + excluded.bytes_out
"""


def write(counts: list[tuple[CountKey, MinuteTally]], notes: list[RequestNote]) -> None:
    """Write these, and take each out of its list once it is committed: what is left then is yet to be written."""
    counts.sort(key=lambda counted: astuple(counted[0]))  # several processes lock rows in the same order
    while counts:
        with transaction.atomic():
            _add(counts[:TOGETHER])
        del counts[:TOGETHER]
    while notes:
        with transaction.atomic():
            _insert(notes[:TOGETHER])
        del notes[:TOGETHER]


def _add(counts: list[tuple[CountKey, MinuteTally]]) -> None:
    connection.ensure_connection()
    cursor = cursor_on(connection)
    with connection.wrap_database_errors:
        cursor.executemany(
            _ADD,
            [
                (key.service, cursor.instant(key.minute), key.instance, key.outcome.value, key.bucket, *astuple(tally))
                for key, tally in counts
            ],
        )


def _insert(notes: list[RequestNote]) -> None:
    """A member who is gone by now is left out, with their course."""
    members = {note.membership for note in notes if note.membership is not None}
    there = set(Membership._base_manager.filter(pk__in=members).values_list("pk", flat=True))
    ServiceRecord.objects.bulk_create([_row(note, there) for note in notes], ignore_conflicts=True)


def _row(note: RequestNote, members: set[int]) -> ServiceRecord:
    is_there = note.membership in members
    return ServiceRecord(
        id=note.id,
        service=note.service_name,
        instance=note.url,
        method=note.method,
        path=note.path,
        status=note.status,
        outcome=note.outcome.value,
        error_code=note.code,
        course_id=note.course if is_there else None,
        membership_id=note.membership if is_there else None,
        started_at=note.at,
        first_byte_ms=note.first_byte_ms,
        duration_ms=note.duration_ms,
        bytes_in=note.bytes_in,
        bytes_out=note.bytes_out,
        attempts=note.attempts,
    )


def forget(*, now: datetime) -> int:
    """Delete what is older than KEPT, and the oldest records beyond MOST_ROWS. Returns how many records went."""
    _forget_counts(before=now - KEPT)
    last = first_id(now - KEPT)
    if beyond := ServiceRecord.objects.values_list("pk", flat=True)[MOST_ROWS : MOST_ROWS + 1].first():
        last = max(last, beyond + "g")
    deleted = 0
    while some := list(ServiceRecord.objects.filter(pk__lt=last).order_by("pk").values_list("pk", flat=True)[:500]):
        deleted += ServiceRecord.objects.filter(pk__in=some).delete()[0]
    return deleted


def _forget_counts(*, before: datetime) -> None:
    """Their keys are as old as they are, so no index is needed to find the oldest. Writers wait, so few go at once."""
    while oldest := list(ServiceCount.objects.order_by("pk").values_list("pk", "minute")[:500]):
        old = [pk for pk, minute in oldest if minute < before]
        ServiceCount.objects.filter(pk__in=old).delete()
        if len(old) < len(oldest):
            return
