"""Counts the requests of one process to services, and keeps a sample of them until they are written."""

import asyncio
import logging
from collections import Counter, deque
from typing import Final

from django.db import InterfaceError, OperationalError, connection

from apps.common.outages import database_outage
from apps.services.arrivals import ServiceArrival
from apps.services.outcomes import TROUBLE, RequestOutcome, outcome_of
from apps.services.records import metrics, rows
from apps.services.records.counts import CountKey, MinuteTallies, MinuteTally
from apps.services.records.notes import RequestNote
from apps.services.registry import Endpoint

logger = logging.getLogger(__name__)

WRITE_SECONDS: Final = 1.0
MOST_A_SECOND: Final = 100  # rows of one process; what is beyond is only counted
MOST_KEPT: Final = 2_000  # rows while the database is away
LONGEST_PATH: Final = 200


class Records:
    """Call `note` at the end of each request. It does no I/O: `write_for_ever` writes once a second.

    Refusals leave no rows, for a flood must not write any. All else does by the service's share, and whatever went
    wrong does always, unless the share is 0.
    """

    def __init__(self) -> None:
        self._tallies = MinuteTallies()
        self._rows: deque[RequestNote] = deque(maxlen=MOST_KEPT)
        self._room = MOST_A_SECOND
        self._shares: Counter[int] = Counter()

    def note(
        self,
        arrival: ServiceArrival,
        *,
        endpoint: Endpoint | None,
        status: int,
        code: str = "",
        first_byte_ms: int | None,
        duration_ms: int,
        bytes_in: int = 0,
        bytes_out: int = 0,
        attempts: int = 1,
    ) -> None:
        """Take down how a request ended: `endpoint` is the instance that was asked last, `code` that of our error.

        An answer that broke off has a code and a first byte. A caller who left has the status 499.
        """
        entry, principal = arrival.entry, arrival.principal
        note = RequestNote(
            id=arrival.id,
            at=arrival.now,
            service=entry.id,
            service_name=entry.name,
            instance=endpoint.id if endpoint is not None else 0,
            url=endpoint.url if endpoint is not None else "",
            method=arrival.method,
            path=_printable(arrival.rest),
            status=status,
            outcome=outcome_of(status=status, code=code, has_begun=first_byte_ms is not None),
            code=code,
            first_byte_ms=first_byte_ms,
            duration_ms=duration_ms,
            bytes_in=bytes_in,
            bytes_out=bytes_out,
            attempts=attempts,
            membership=principal.membership_id if principal is not None else None,
            course=principal.course_id if principal is not None else None,
        )
        metrics.observe(note)
        self._tallies.count(note)
        if self._is_sampled(note, entry.sample_percent):
            self._keep(note)

    def _is_sampled(self, note: RequestNote, percent: int) -> bool:
        if note.outcome == RequestOutcome.REFUSED or not percent:
            return False
        if note.outcome in TROUBLE or percent >= 100:
            return True
        self._shares[note.service] += percent
        if self._shares[note.service] < 100:
            return False
        self._shares[note.service] -= 100
        return True

    def _keep(self, note: RequestNote) -> None:
        if self._room > 0:
            self._room -= 1
            self._rows.append(note)
        else:
            metrics.LEFT_OUT.inc()

    async def write_for_ever(self) -> None:
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            self._room = MOST_A_SECOND
            await self.write()

    async def write(self) -> None:
        """Write what there is. While the database is away it stays for the next time, up to MOST_KEPT rows."""
        counts, notes = list(self._tallies.items()), list(self._rows)
        if not (counts or notes):
            return
        self._tallies = MinuteTallies()
        self._rows.clear()
        writing = asyncio.create_task(self._write(counts, notes))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:  # the process ends: what comes back is for the last `write`
            await writing
            raise

    async def _write(self, counts: list[tuple[CountKey, MinuteTally]], notes: list[RequestNote]) -> None:
        try:
            await asyncio.to_thread(_write, counts, notes)
        except (OperationalError, InterfaceError) as error:
            database_outage.began(error)
            self._put_back(counts, notes)
        except Exception:
            logger.exception("Writing %d counts and %d records of services failed", len(counts), len(notes))

    def _put_back(self, counts: list[tuple[CountKey, MinuteTally]], notes: list[RequestNote]) -> None:
        """Older records give way to newer ones."""
        room = MOST_KEPT - len(self._rows)
        self._rows.extendleft(reversed(notes[max(0, len(notes) - room) :]))
        for key, tally in counts:
            self._tallies.add(key, tally)


def _write(counts: list[tuple[CountKey, MinuteTally]], notes: list[RequestNote]) -> None:
    try:
        rows.write(counts, notes)
    finally:
        connection.close_if_unusable_or_obsolete()


def _printable(path: str) -> str:
    """A path as it came on the wire may have bytes that no database takes."""
    return path[:LONGEST_PATH].replace("\0", "")
