"""The pump: a detached task that owns one answer from its reservation to its settlement.

The response only drains the pump's bounded queue. If the client disconnects, the pump reads on as long as it must,
charges and records the call: nothing depends on a generator being closed or a request being awaited.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime

from django.conf import settings

from apps.chat.accounting.account import CallAccount
from apps.chat.accounting.books import Books
from apps.chat.accounting.charges import ending_of, most_text
from apps.chat.accounting.reservations import Reservation
from apps.chat.call import ChatCall
from apps.chat.dialects.protocol import LastLine
from apps.chat.guardrails.streams import Guard
from apps.chat.idempotency import stored_answers
from apps.chat.idempotency.claims import ClaimEnd
from apps.chat.idempotency.keys import ONCE, Claim, Repeatable
from apps.chat.idempotency.recent import RecentAnswers
from apps.chat.idempotency.stored_answers import StoredAnswer
from apps.chat.relay import failures, head, metrics
from apps.chat.relay.attempts import Attempts, Providers
from apps.chat.relay.delivery import ClientStream, Delivery
from apps.chat.relay.head import AnswerHead
from apps.chat.relay.live import LiveAnswers
from apps.chat.relay.passing import clear, pass_on
from apps.chat.relay.stopping import Reason, Stopping
from apps.common import spans
from apps.common.errors import GatewayError, InternalError
from apps.dataplane.admission import shutting_down
from apps.providers.adapters.protocol import AnswerTooLong, UpstreamBroken
from apps.quotas.ledger.leases import Checkpoint
from apps.quotas.ledger.movements import Balance
from apps.rules.rulebook import Verdict

logger = logging.getLogger(__name__)

KEEP_ALIVE_SECONDS = 15.0


class Pump:
    """One live answer. `start` it once; the response reads its `delivery`."""

    def __init__(
        self,
        call: ChatCall,
        verdict: Verdict,
        *,
        books: Books,
        providers: Providers,
        live: LiveAnswers,
        recent: "RecentAnswers[Pump]",
        now: datetime,
        guard: Guard | None = None,
        line: LastLine | None = None,
        on_reserved: Callable[[], None],
        on_end: Callable[[], None],
        repeatable: Repeatable = ONCE,
        admitted: object = None,
    ) -> None:
        self.id, self.repeatable = call.id, repeatable
        self.principal, self.admitted = call.principal, admitted
        self._providers, self._live, self._recent = providers, live, recent
        self._on_reserved, self._on_end = on_reserved, on_end
        self._guard, self._line, self._cleared = guard, line, b""
        recorded = guard.recorded if guard else None
        self._account = CallAccount(call, verdict, books=books, recorded=recorded, now=now)
        self.delivery = Delivery(request_id=call.id, dialect=call.dialect, room=recent.budget, line=line)
        self.stopping = Stopping()
        self._attempts: Attempts | None = None
        self._has_failed = self._is_over = False
        self._charged = 0

    def start(self) -> None:
        self._live.add(self)
        if self.repeatable.digest is not None:
            self._recent.begin(self.repeatable.digest, self)
        self.task = asyncio.get_running_loop().create_task(self._run())

    # The life of an answer

    async def _run(self) -> None:
        failure: GatewayError | None = None
        try:
            with spans.stage("reserve"):
                reservation = await self._account.reserve(claim=self.repeatable.claim)
            self._on_reserved()
            failure = await self._relay(reservation)
            if self._guard is not None:
                body = self._account.body()
                failure, self._cleared = await clear(self._guard, failure, body=body, delivery=self.delivery)
                self._account.note_hits(self._guard.hits())
            self._add_line(failure)
            self._has_failed = failure is not None
            self._on_end()  # before the client sees the end, since it may send its next request at once
            with spans.stage("settle"):
                await self._settle(failure)
        except GatewayError as error:
            failure = error
        except Exception:
            logger.exception("Call %s ended in an error of ours", self.id)
            failure = InternalError()
        except asyncio.CancelledError:  # the loop stops: a sweep ends the hold, and the answer is incomplete
            failure = shutting_down()
            raise
        finally:
            self._is_over = True
            if self.repeatable.digest is not None:
                answer = self._answer() if failure is None else None
                self._recent.end(self.repeatable.digest, self, answer, now=time.monotonic())
            await self.delivery.finish(failure, charged=self._charged)
            self._live.discard(self)
            self._on_end()

    def _add_line(self, failure: GatewayError | None) -> None:
        """Add the line below a plain answer, and to the record. In a stream, the delivery has added it."""
        body = self._cleared or self._account.body()
        if self._line is not None and failure is None and body is not None:
            self._cleared = self._line.into_body(body)
        if self._line is not None and self._line.is_added:
            self._account.added = self._line.text

    async def _relay(self, reservation: Reservation) -> GatewayError | None:
        """Open the upstream and pass the answer on. Returns the failure that ended it early, if any."""
        if self.stopping.reason is not None:
            return self.stopping.failure()  # nothing has been sent
        try:
            await self.stopping.watch(self._open_and_pass_on(reservation), seconds=self._account.call.route.longest)
        except TimeoutError:
            return self.stopping.failure()
        except UpstreamBroken as error:
            logger.warning("Call %s: the answer broke off: %s", self.id, error)
            if isinstance(error, AnswerTooLong):
                self._account.dropped(error.dropped)
            return failures.interrupted(error)
        except GatewayError as error:
            return error
        except Exception:
            logger.exception("Call %s: relaying failed", self.id)
            return InternalError()
        return None

    async def _open_and_pass_on(self, reservation: Reservation) -> None:
        call, guidance = self._account.call, self._account.verdict.guidance
        self._attempts = Attempts(call, self._providers, output=reservation.output, guidance=guidance)
        answer = await self._attempts.first_answer()
        metrics.added(arrived=self._account.arrived, at_providers=self._attempts.seconds_until_answer)
        try:
            self.stopping.began()
            self._account.began(answer)
            if call.is_stream:
                self.stopping.shorten(seconds=self._attempts.seconds_left)
                self.delivery.begin(self._head(reservation.balances))
                most = most_text(reservation.output * call.choices)
                await pass_on(answer, self._guard, delivery=self.delivery, stopping=self.stopping, most_text=most)
        except (UpstreamBroken, asyncio.CancelledError) as error:
            self._attempts.broke_off(answer, error, is_stalled=self.stopping.reason == "provider_stalled")
            raise
        finally:
            self._attempts.close(answer)

    async def _settle(self, failure: GatewayError | None) -> None:
        """Charge, and deliver a plain answer."""
        claim = self.repeatable.claim
        settled = await self._account.settle(
            ending_of(failure, is_unread=self.stopping.needs_no_answer),
            failure,
            attempts=self._attempts.rows(failure) if self._attempts is not None else (),
            may_have_been_sent=self._attempts is not None and self._attempts.was_cut_off and self.is_orphaned,
            first_byte=self.stopping.first_byte,
            kept=await self._claim_end(claim, failure) if claim is not None else None,
        )
        self._charged = settled.charged
        if failure is None and not self._account.call.is_stream:
            self.delivery.begin(self._head(settled.balances))

    def _head(self, balances: tuple[Balance, ...]) -> AnswerHead:
        account = self._account
        assert account.reservation is not None  # noqa: S101  # only then it begins
        body = None if account.call.is_stream else self._cleared or account.body()
        return AnswerHead(account.accepted, account.reservation, account.verdict, balances, body)

    async def _claim_end(self, claim: Claim, failure: GatewayError | None) -> ClaimEnd:
        answer = self._answer() if failure is None else None
        return await stored_answers.claim_end(claim, answer, call=self.id, is_kept=failure is None)

    def _answer(self) -> StoredAnswer | None:
        mark = self._account.call.dialect.end_mark
        return head.answer_of(self._head(()), call=self.id, events=self.delivery.kept, end_mark=mark)

    # When the client leaves, and when it comes back

    def client_left(self, reader: ClientStream | None = None) -> None:
        """The client has left: wait a moment for the usage, then stop the provider.

        An answer with an Idempotency-Key goes on to its end, since its client will ask for it again.
        """
        if reader is not None and reader is not self.delivery.reader:
            return  # another client has taken over
        self.delivery.abandon()
        if self.repeatable.claim is None:
            self.stop_if_unread()
            self._expect_retry()

    def _expect_retry(self) -> None:
        """Let a retry find this answer. Of a request without a number that is known to be of use only now."""
        if self._is_over:
            return
        if self.repeatable.on_demand is not None:
            digest = self.repeatable.on_demand()
            self.repeatable = Repeatable(digest=digest)
            self._recent.begin(digest, self)
        if self.repeatable.digest is not None:
            self._recent.client_left(self.repeatable.digest, self)

    def stop_if_unread(self) -> None:
        """Stop the provider after a grace period, unless a client reads."""
        if self.delivery.is_abandoned:
            self.stopping.ask("client_left", after=settings.CLIENT_LEFT_GRACE)
            self._account.client_left()

    @property
    def is_orphaned(self) -> bool:
        """The client has left, and the provider will be stopped unless another client takes over."""
        return self.stopping.reason == "client_left"

    @property
    def can_be_joined(self) -> bool:
        """Whether another client can still get the whole answer."""
        is_ending = self._has_failed or self.stopping.has_ended
        return not is_ending and self.stopping.reason in (None, "client_left") and self.delivery.is_kept

    def join(self) -> ClientStream:
        """Go on for a client that retries. Only if it `can_be_joined`."""
        self.go_on()
        return self.delivery.take_over()

    def go_on(self) -> None:
        """Let the provider finish, if it is about to be stopped because nobody reads."""
        if self.is_orphaned and self.can_be_joined:
            self.stopping.withdraw()
            self._account.client_came_back()

    # For LiveAnswers

    def stop(self, reason: Reason) -> None:
        """End the answer for a reason of ours. Only the first reason counts."""
        self.stopping.ask(reason)

    def check_stall(self, now: float, *, limit: float) -> None:
        """End the answer if its client takes nothing for `limit` seconds, or its provider is silent for too long."""
        if (accepted := self._account.accepted) is not None:
            is_sending = self.delivery.is_sending
            most = limit if is_sending else accepted.candidate.target.stall_timeout
            if now - self.stopping.last_progress > most:
                self.stop("client_stalled" if is_sending else "provider_stalled")

    def keep_alive(self, now: float) -> None:
        """Send a client that has heard nothing for long a comment, once a provider is known to be at work."""
        is_due = now - self.stopping.last_sent >= KEEP_ALIVE_SECONDS
        if self._attempts is None or not self._account.call.is_stream or not is_due:
            return
        if self.delivery.has_begun or self._attempts.has_events:
            assert self._account.reservation is not None  # noqa: S101  # nobody is asked before
            self.delivery.begin(self._head(self._account.reservation.balances))
            self.delivery.keep_alive()
            self.stopping.last_sent = now

    def checkpoint(self) -> Checkpoint | None:
        """What the answer would be charged if this process died now. Also spools the text up to here."""
        return self._account.checkpoint()
