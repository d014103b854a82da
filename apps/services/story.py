"""What becomes of one request, from its arrival to its end: what it holds is let go of, and the records are told."""

import time
from types import TracebackType

from apps.common.errors import GatewayError, InternalError
from apps.dataplane.answers import ClientLeft
from apps.services import failures
from apps.services.admitted import AdmittedRequest
from apps.services.arrivals import ServiceArrival
from apps.services.attempts import InstanceAttempts
from apps.services.bodies import SendableBody
from apps.services.outcomes import CALLER_LEFT
from apps.services.records.keeping import Records
from apps.services.relaying import Relay


class Story:
    """Enter it when a request arrives. It ends when the block is left by an exception, or else with the answer that
    `goes_on`. The parts are set as they come about."""

    def __init__(self, records: Records, arrival: ServiceArrival) -> None:
        self.admitted: AdmittedRequest | None = None
        self.body: SendableBody | None = None
        self.attempts: InstanceAttempts | None = None
        self._records, self._arrival = records, arrival
        self._began = time.monotonic()
        self._first_byte_ms: int | None = None
        self.ends_at = self._began + arrival.entry.timeouts.total

    def __enter__(self) -> "Story":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        if isinstance(error, GatewayError):
            self._end(error.status, error.code)
        elif isinstance(error, Exception) and not isinstance(error, ClientLeft):
            self._end(InternalError.status, InternalError().code)
        else:  # cancelled, since its caller left
            self._end(CALLER_LEFT, "")

    def goes_on(self, relay: Relay) -> None:
        """The answer has begun. The story ends with it."""
        self._first_byte_ms = self._milliseconds()
        relay.on_end = lambda: self._end_of(relay)

    def _end_of(self, relay: Relay) -> None:
        ending = self.admitted.ending if self.admitted is not None else None
        if relay.broken is not None:
            self._end(relay.response.status, failures.error_of(self._arrival.entry, relay.broken).code, sent=relay.sent)
        elif ending is not None and not relay.is_whole:
            self._end(relay.response.status, ending, sent=relay.sent)
        else:
            self._end(relay.response.status if relay.is_whole else CALLER_LEFT, "", sent=relay.sent)

    def _end(self, status: int, code: str, *, sent: int = 0) -> None:
        if self.admitted is not None:
            self.admitted.end()
        self._records.note(
            self._arrival,
            endpoint=self.attempts.asked if self.attempts is not None else None,
            status=status,
            code=code,
            first_byte_ms=self._first_byte_ms,
            duration_ms=self._milliseconds(),
            bytes_in=self.body.received if self.body is not None else 0,
            bytes_out=sent,
            attempts=self.attempts.count if self.attempts is not None else 0,
        )

    def _milliseconds(self) -> int:
        return int((time.monotonic() - self._began) * 1000)
