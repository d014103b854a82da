"""The account of one call, from its hold to its settlement."""

import time
from dataclasses import replace
from datetime import datetime

from apps.chat.accounting import charges, token_rates
from apps.chat.accounting.books import Books
from apps.chat.accounting.charges import Ending
from apps.chat.accounting.estimates import weights_of
from apps.chat.accounting.reservations import Reservation, reserve
from apps.chat.accounting.settlements import Closed, Settled, settle
from apps.chat.accounting.transcripts import Transcript
from apps.chat.call import Accepted, ChatCall
from apps.chat.dialects.recorded import NOTHING, RecordedText
from apps.chat.idempotency.claims import ClaimEnd
from apps.chat.idempotency.keys import Claim
from apps.common.errors import GatewayError
from apps.conversations.call_rows import AttemptRow
from apps.quotas.ledger.leases import Checkpoint
from apps.rules.rulebook import Hit, Verdict


class CallAccount:
    """What a call has cost so far, while it is answered. `recorded` is its text as the guard records it, if any."""

    def __init__(
        self,
        call: ChatCall,
        verdict: Verdict,
        *,
        books: Books,
        recorded: RecordedText | None,
        now: datetime,
    ) -> None:
        self.call, self.verdict = call, verdict
        self._books, self._recorded = books, recorded or NOTHING
        self._is_guarded = recorded is not None
        self._transcript = Transcript(call, spool=books.spool, known_ends=books.known_ends)
        self.arrived, self._started = now, time.monotonic()
        self.reservation: Reservation | None = None
        self.accepted: Accepted | None = None
        self._left_at: int | None = None
        self.added = ""  # a line of ours below the text, which is recorded and costs nothing

    async def reserve(self, *, claim: Claim | None) -> Reservation:
        """Hold what the call may cost; if the fallback model answers, `call` becomes its call. Raises as `reserve`."""
        self.reservation = held = await reserve(self._books, self.call, self.verdict, now=self.arrived, claim=claim)
        self.call = held.turned or self.call
        return held

    def began(self, answer: Accepted) -> None:
        """The answer has begun. From here on its reader counts what it costs."""
        self.accepted = answer
        if not self._is_guarded:
            self._recorded = answer.reader.recorded

    def body(self) -> bytes | None:
        """A plain answer as it came."""
        return self.accepted.reader.body() if self.accepted is not None else None

    def client_left(self) -> None:
        """Text from here on reaches no client."""
        self._left_at = self._text_bytes

    def dropped(self, size: int) -> None:
        """So many bytes of the text at its end reach no client."""
        if self._left_at is None:
            self._left_at = max(0, self._text_bytes - size)

    def client_came_back(self) -> None:
        self._left_at = None

    def note_hits(self, hits: tuple[Hit, ...]) -> None:
        """Add what rules found in the answer."""
        self.verdict = replace(self.verdict, hits=(*self.verdict.hits, *hits))

    def checkpoint(self) -> Checkpoint | None:
        """What the call would be charged if this process died now. Also spools the text up to here."""
        if self.reservation is None or self.accepted is None:
            return None
        if self._recorded.is_first_choice_only:
            self._transcript.checkpoint(self._recorded.pieces())
        reader = self.accepted.reader
        amount = charges.so_far(
            reported=reader.usage,
            is_final=reader.is_usage_final,
            input_estimate=self.reservation.input_estimate,
            relayed_estimate=self._books.ratios.estimate(self.call.route.name, reader.recorded.text_bytes),
            text_bytes=reader.recorded.text_bytes,
            weights=weights_of(self.call),
        )
        return Checkpoint(self.call.id, amount)

    async def settle(
        self,
        ending: Ending,
        failure: GatewayError | None,
        *,
        attempts: tuple[AttemptRow, ...],
        may_have_been_sent: bool,
        first_byte: float | None,
        kept: ClaimEnd | None,
    ) -> Settled:
        """Spool the rest of the text, charge and record. `failure` gets the charge, so that the student learns it."""
        assert self.reservation is not None  # noqa: S101  # only a held call is settled
        added = [self.added] if self.added else []
        matched_as = self._recorded.matched_as() + self.added
        self._transcript.finish([*self._recorded.pieces(), *added], matched_as=matched_as)
        closed = Closed(
            call=self.call,
            verdict=self.verdict,
            reservation=self.reservation,
            accepted=self.accepted,
            attempts=attempts,
            relayed_bytes=self._text_bytes if self._left_at is None else self._left_at,
            ending=ending,
            error_code=failure.code if failure and ending in ("failed", "blocked") else "",
            may_have_been_sent=self.accepted is not None or may_have_been_sent,
            started_at=self.arrived,
            first_byte_ms=self._milliseconds(first_byte) if first_byte else None,
            duration_ms=self._milliseconds(time.monotonic()),
        )
        settled = await settle(self._books, closed, kept=kept)
        pace = self.reservation.pace
        await token_rates.correct(self._books.rates, pace, amount=settled.charged)
        if failure is not None:
            failure.charged = settled.charged
            failure.headers.update(pace.headers())
        return settled

    @property
    def _text_bytes(self) -> int:
        return self.accepted.reader.recorded.text_bytes if self.accepted is not None else 0

    def _milliseconds(self, instant: float) -> int:
        return int((instant - self._started) * 1000)
