"""The pump: a detached task that owns one answer from its reservation to its settlement.

The response only drains the pump's bounded queue. Whatever becomes of the client, the pump reads on as long as it must,
charges what is due and writes the call down: nothing depends on a generator being closed or a request being awaited.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Literal

from django.conf import settings

from apps.chat.accounting import token_rates
from apps.chat.accounting.books import Books
from apps.chat.accounting.charges import Ending, most_text
from apps.chat.accounting.estimates import weights_of
from apps.chat.accounting.reservations import Reservation, reserve
from apps.chat.accounting.settlements import Closed, settle
from apps.chat.accounting.transcripts import Transcript
from apps.chat.call import Accepted, ChatCall
from apps.chat.dialects.openai_chat.answer import AnswerText, PlainMeter, StreamMeter
from apps.chat.guardrails.streams import Guard
from apps.chat.idempotency import stored_answers
from apps.chat.idempotency.claims import ClaimEnd
from apps.chat.idempotency.keys import ONCE, Repeatable
from apps.chat.idempotency.recent import RecentAnswers
from apps.chat.idempotency.stored_answers import StoredAnswer
from apps.chat.relay import head
from apps.chat.relay.delivery import ClientStream, Delivery
from apps.chat.relay.head import AnswerHead
from apps.chat.relay.live import LiveAnswers
from apps.chat.relay.upstream import open_first
from apps.common.errors import BlockedByRule, GatewayError, InternalError, UpstreamFailed
from apps.dataplane.admission import shutting_down
from apps.providers.adapters import Adapter, UpstreamBroken
from apps.quotas.ledger.leases import Checkpoint
from apps.quotas.ledger.movements import Balance
from apps.quotas.weights import Tokens
from apps.rules.rulebook import Verdict

logger = logging.getLogger(__name__)

LAST_LOOK = 0.05
CLEAN_END_GRACE = 0.25
INTERRUPTED = "upstream_interrupted"

Halt = Literal["client_left", "client_stalled", "provider_stalled", "shutting_down"]
_NO_ANSWER_NEEDED = ("client_left", "client_stalled")


class Pump:
    """One live answer: `start` it once; its `outlet` is what the response reads."""

    def __init__(
        self,
        call: ChatCall,
        verdict: Verdict,
        *,
        books: Books,
        adapters: Mapping[str, Adapter],
        live: LiveAnswers,
        recent: "RecentAnswers[Pump]",
        now: datetime,
        guard: Guard | None = None,
        on_reserved: Callable[[], None],
        on_end: Callable[[], None],
        repeatable: Repeatable = ONCE,
    ) -> None:
        self.id, self.verdict, self.repeatable = call.id, verdict, repeatable
        self._books, self._adapters, self._live, self._recent = books, adapters, live, recent
        self._call, self._now = call, now
        self._on_reserved, self._on_end = on_reserved, on_end
        self._loop = asyncio.get_running_loop()
        self._meter = StreamMeter(wants_usage=call.wants_usage) if call.is_stream else PlainMeter()
        self._guard, self._cleared = guard, b""
        self._heard: AnswerText = guard.heard if guard else self._meter
        self._transcript = Transcript(call, spool=books.spool, known_ends=books.known_ends)
        self.delivery = Delivery(request_id=call.id, room=recent.budget if repeatable else None)
        self._limit: asyncio.Timeout | None = None
        self._deadline: float | None = None
        self._halted: Halt | None = None
        self._reservation: Reservation | None = None
        self._most_text = self._charged = 0
        self._opened: Accepted | None = None
        self._was_tried = self._has_failed = False
        self._is_whole = False  # the last event of a stream has come, and all before it has been handed on
        self._started = self._last_progress = time.monotonic()
        self._first_byte: float | None = None
        self._relayed_bytes: int | None = None

    # For the response

    def start(self) -> None:
        self._live.add(self)
        if self.repeatable.digest is not None:
            self._recent.begin(self.repeatable.digest, self)
        self.task = self._loop.create_task(self._run())

    def client_left(self, reader: ClientStream | None = None) -> None:
        """Nobody reads any more: wait a moment for the usage, then stop the provider.

        Whoever sent an Idempotency-Key comes back for the answer, so that one goes on to its end.
        """
        if reader is not None and reader is not self.delivery.reader:
            return  # another one has taken over
        self.delivery.abandon()
        if self.repeatable.claim is None:
            self.stop_if_unread()
            if self.repeatable.digest is not None:
                self._recent.client_left(self.repeatable.digest, self)

    def stop_if_unread(self) -> None:
        """Stop the provider after a moment, unless somebody reads."""
        if self.delivery.is_abandoned:
            self.stop("client_left", after=settings.CLIENT_LEFT_GRACE)
            self._relayed_bytes = self._meter.text_bytes

    @property
    def is_orphaned(self) -> bool:
        """The client has gone, and the provider will be stopped unless somebody takes over."""
        return self._halted == "client_left"

    @property
    def can_be_joined(self) -> bool:
        """Whether the answer can still be given whole to somebody else."""
        is_ending = self._has_failed or (self._limit is not None and self._limit.expired())
        return not is_ending and self._halted in (None, "client_left") and self.delivery.is_kept

    def join(self) -> ClientStream:
        """Go on for a client that comes back. Only if it `can_be_joined`."""
        self.go_on()
        return self.delivery.take_over()

    def go_on(self) -> None:
        """Let the provider finish, if it was to be stopped for want of a reader and has not been yet."""
        if not (self.is_orphaned and self.can_be_joined):
            return
        self._halted = self._relayed_bytes = None
        if self._limit is not None:
            self._limit.reschedule(self._loop.time() + CLEAN_END_GRACE if self._is_whole else self._deadline)

    # For whoever watches

    def stop(self, reason: Halt, *, after: float = 0.0) -> None:
        """End the answer for a reason of ours, if it has not ended by then. The first reason counts."""
        if self._halted is None:
            self._halted = reason
            if after:
                self._loop.call_later(after, self._expire, reason)
            else:
                self._expire(reason, after=0.0)

    def _expire(self, reason: Halt, *, after: float = LAST_LOOK) -> None:
        """End what is to end. A little later than now: a process that stood still reads first what came meanwhile."""
        if self._halted == reason and self._limit is not None and not self._limit.expired():
            self._limit.reschedule(self._loop.time() + after)

    def check_stall(self, now: float, *, limit: float) -> None:
        if self._opened is not None and now - self._last_progress > limit:
            self.stop("client_stalled" if self.delivery.is_sending else "provider_stalled")

    def checkpoint(self) -> Checkpoint | None:
        """What the answer would be charged if this process died now; spools the text up to here on the way."""
        if self._reservation is None or self._opened is None:
            return None
        if self._heard.texts.keys() == {0}:
            self._transcript.checkpoint(self._heard.pieces())
        relayed = self._books.ratios.estimate(self._call.route.name, self._meter.text_bytes)
        possible = [self._meter.usage] if self._meter.usage is not None else []
        if not self._meter.is_usage_final:
            possible.append(Tokens(input=self._reservation.input_estimate, output=relayed))
        return Checkpoint(self._call.id, max(map(weights_of(self._call).weigh, possible)))

    # The life of an answer

    async def _run(self) -> None:
        failure: GatewayError | None = None
        try:
            claim = self.repeatable.claim
            self._reservation = await reserve(self._books, self._call, self.verdict, now=self._now, claim=claim)
            self._call = self._reservation.turned or self._call
            self._on_reserved()
            failure = await self._relay(self._reservation)
            if self._guard is not None:
                failure = await self._clear(self._guard, failure)
            self._has_failed = failure is not None
            self._on_end()  # before the client sees the end, after which it may ask again at once
            await self._settle(self._reservation, failure)
        except GatewayError as error:
            failure = error
        except Exception:
            logger.exception("Call %s ended in an error of ours", self._call.id)
            failure = InternalError()
        except asyncio.CancelledError:  # the loop ends: the hold is for whoever sweeps, and the answer is no whole one
            failure = shutting_down()
            raise
        finally:
            if self.repeatable.digest is not None:
                answer = self._answer() if failure is None else None
                self._recent.end(self.repeatable.digest, self, answer, now=time.monotonic())
            await self.delivery.finish(failure, charged=self._charged)
            self._live.discard(self)
            self._on_end()

    async def _relay(self, reservation: Reservation) -> GatewayError | None:
        """Open the upstream and pass the answer on. The failure that ended it early, if one did."""
        if self._halted is not None:
            return self._halt_failure()  # nothing has been sent, and now nothing will be
        self._was_tried = True
        self._most_text = most_text(reservation.output * self._call.choices)
        try:
            async with asyncio.timeout(settings.REQUEST_TIMEOUT) as self._limit:
                self._deadline = self._limit.when()
                self._opened = await open_first(
                    self._call, self._adapters, output=reservation.output, guidance=self.verdict.guidance
                )
                with contextlib.closing(self._opened.upstream):
                    self._last_progress = time.monotonic()
                    if self._call.is_stream:
                        self._begin(reservation.balances)
                    await self._pass_on(self._opened)
            self._meter.end()
        except TimeoutError:
            return None if self._is_whole else self._halt_failure()
        except UpstreamBroken as error:
            logger.warning("Call %s: the answer broke off: %s", self._call.id, error)
            return UpstreamFailed(INTERRUPTED, "The provider broke off in the middle of its answer. Ask again.")
        except GatewayError as error:
            return error
        except Exception:
            logger.exception("Call %s: relaying failed", self._call.id)
            return InternalError()
        finally:
            self._limit = None
        return None

    async def _pass_on(self, opened: Accepted) -> None:
        async for chunk in opened.upstream.chunks():
            self._last_progress = time.monotonic()
            self._first_byte = self._first_byte or self._last_progress
            block = await self._metered(chunk)
            if block:
                await self.delivery.put(block)
                self._last_progress = time.monotonic()
            if self._meter.is_done and not self._is_whole and self._limit is not None:
                # Reading to the very end lets the connection be used again; no one waits long for it.
                self._limit.reschedule(self._loop.time() + CLEAN_END_GRACE)
                self._is_whole = True

    async def _metered(self, chunk: bytes) -> bytes:
        try:
            block = self._meter.feed(chunk)
        except UpstreamBroken as error:
            if error.kept:
                await self.delivery.put(await self._guarded(error.kept))  # it is charged, so it is delivered
            raise
        if self._meter.text_bytes > self._most_text:
            raise UpstreamBroken(f"The answer is longer than {self._most_text} bytes, far beyond its output cap.")
        return await self._guarded(block)

    async def _guarded(self, block: bytes) -> bytes:
        return await self._guard.feed(block) if block and self._guard is not None else block

    async def _clear(self, guard: Guard, failure: GatewayError | None) -> GatewayError | None:
        """Let go what the guard may let go at the end, and have the rest recorded. The failure that there is then."""
        try:
            if failure is None and isinstance(self._meter, PlainMeter):
                self._cleared = await guard.whole(self._meter.body())
            elif failure is None or failure.code == INTERRUPTED:
                await self.delivery.put_last(await guard.end())
        except GatewayError as error:
            failure = error
        except Exception:
            logger.exception("Call %s: its answer could not be looked at", self._call.id)
            failure = InternalError()
        await guard.give_up()
        self.verdict = replace(self.verdict, hits=(*self.verdict.hits, *guard.hits()))
        return failure

    def _halt_failure(self) -> GatewayError:
        if self._halted == "shutting_down":
            return shutting_down()
        if self._halted == "provider_stalled":
            return UpstreamFailed("upstream_stalled", "The provider stopped in the middle of its answer. Ask again.")
        return UpstreamFailed("upstream_timeout", "The answer took too long and was ended.", status=504)

    async def _settle(self, reservation: Reservation, failure: GatewayError | None) -> None:
        """Spool the rest of the text, charge, and let a plain answer go."""
        self._transcript.finish(self._heard.pieces(), said=self._heard.said())
        kept = await self._kept(failure)
        settled = await settle(self._books, self._closed(reservation, failure), kept=kept)
        self._charged = settled.charged
        token_rates.correct(self._books.rates, self._call, reservation.pace, amount=settled.charged)
        if failure is not None:
            failure.charged = settled.charged
            failure.headers.update(reservation.pace.headers())
        elif not self._call.is_stream:
            self._begin(settled.balances)

    def _closed(self, reservation: Reservation, failure: GatewayError | None) -> Closed:
        ending = self._ending(failure)
        return Closed(
            call=self._call,
            verdict=self.verdict,
            reservation=reservation,
            opened=self._opened,
            meter=self._meter,
            relayed_bytes=self._meter.text_bytes if self._relayed_bytes is None else self._relayed_bytes,
            ending=ending,
            error_code=failure.code if failure and ending in ("failed", "blocked") else "",
            may_have_been_sent=self._opened is not None or (self._was_tried and self._halted == "client_left"),
            started_at=self._now,
            first_byte_ms=self._milliseconds(self._first_byte) if self._first_byte else None,
            duration_ms=self._milliseconds(time.monotonic()),
        )

    async def _kept(self, failure: GatewayError | None) -> ClaimEnd | None:
        """What becomes of the call's claim, if it has one: only an answer that came to its end is kept."""
        claim = self.repeatable.claim
        if claim is None:
            return None
        if failure is not None:
            return ClaimEnd(claim.id, self.id, None)
        answer = self._answer()
        return ClaimEnd(
            claim.id, self.id, await stored_answers.seal(answer, claim=claim.id) if answer is not None else ""
        )

    def _answer(self) -> StoredAnswer | None:
        return head.answer_of(self._head(()), self.verdict, call=self.id, events=self.delivery.kept)

    def _ending(self, failure: GatewayError | None) -> Ending:
        if failure is None:
            return "answered"
        if isinstance(failure, BlockedByRule):
            return "blocked"
        return "left" if self._halted in _NO_ANSWER_NEEDED else "failed"

    def _milliseconds(self, instant: float) -> int:
        return int((instant - self._started) * 1000)

    def _begin(self, balances: tuple[Balance, ...]) -> None:
        """Let the response start."""
        self.delivery.begin(self._head(balances))

    def _head(self, balances: tuple[Balance, ...]) -> AnswerHead:
        assert self._opened is not None and self._reservation is not None  # noqa: S101  # only then it begins
        body = self._cleared or self._meter.body() if isinstance(self._meter, PlainMeter) else None
        return AnswerHead(self._opened, self._reservation, balances, body)
