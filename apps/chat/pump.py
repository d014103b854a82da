"""The pump: a detached task that owns one answer from its reservation to its settlement.

The response only drains the pump's bounded queue. Whatever becomes of the client, the pump reads on as long as it must,
charges what is due and writes the call down: nothing depends on a generator being closed or a request being awaited.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson
from django.conf import settings

from apps.chat import accounting, recording, screening, settling
from apps.chat.accounting import Unit, weights_of
from apps.chat.metering import PlainMeter, StreamMeter
from apps.chat.opening import Opened, open_first
from apps.chat.parsing import ChatCall
from apps.chat.reserving import Reservation, quota_headers, reserve
from apps.chat.settling import Charge, Ending, Seen
from apps.chat.transcripts import Transcript
from apps.common.commit import StoreAway
from apps.common.errors import GatewayError, InternalError, Unavailable, UpstreamFailed
from apps.conversations.calls import Record
from apps.providers.adapters import UpstreamBroken
from apps.quotas.checkpoints import Checkpoint
from apps.quotas.ledger import Balance, Ended, Release, Settle
from apps.quotas.weights import Tokens
from apps.rules.rulebook import Verdict

if TYPE_CHECKING:
    from apps.chat.plane import Plane

logger = logging.getLogger(__name__)

QUEUE_BLOCKS = 8
USAGE_GRACE = 2.0
CLEAN_END_GRACE = 0.25
SETTLE_RETRIES = (0.1, 0.5, 2.0)
DONE = b"data: [DONE]\n\n"


class Pump:
    """One live answer: `start` it once, await `head`, and for a stream read `blocks`."""

    def __init__(
        self, plane: "Plane", call: ChatCall, verdict: Verdict, *, now: datetime, on_end: Callable[[], None]
    ) -> None:
        loop = asyncio.get_running_loop()
        self._plane, self._call, self._verdict, self._now, self._on_end = plane, call, verdict, now, on_end
        self.meter = StreamMeter(wants_usage=call.wants_usage) if call.is_stream else PlainMeter()
        self.reservation: Reservation | None = None
        self.opened: Opened | None = None
        self.balances: tuple[Balance, ...] = ()
        self._transcript = Transcript(plane, call)
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE_BLOCKS)
        self._head: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._limit: asyncio.Timeout | None = None
        self._halted = ""
        self._client_left = False
        self._is_sending = False
        self._started = time.monotonic()
        self._first_byte: float | None = None
        self._last_progress = self._started

    # For the response

    def start(self) -> None:
        self._plane.pumps.add(self)
        self._task = self._loop.create_task(self._run())

    async def head(self) -> None:
        """Wait until a stream has been accepted by a provider, or a plain answer is complete. Raises GatewayError."""
        try:
            await asyncio.shield(self._head)
        except asyncio.CancelledError:
            self.client_left()
            raise

    async def blocks(self) -> AsyncIterator[bytes]:
        """The events of a stream, in whole events; after the last one everything is settled."""
        while (block := await self._queue.get()) is not None:
            yield block

    def client_left(self) -> None:
        """Nobody reads any more: wait a moment for the usage, then stop the provider."""
        self._client_left = True
        while not self._queue.empty():
            self._queue.get_nowait()
        self.halt("client_left", after=USAGE_GRACE)

    def headers(self) -> dict[str, str]:
        """What the client learns beside the answer; call it after `head`."""
        found = quota_headers(self.balances) | screening.headers(self._verdict)
        if self.opened is not None:
            target = self.opened.candidate.target
            found["x-gateway-provider"] = target.provider
            found["x-gateway-model"] = target.upstream_model
            found["x-gateway-attempts"] = str(self.opened.attempts)
        if self.reservation is not None and self.reservation.is_capped:
            found["x-quota-capped-output-tokens"] = str(self.reservation.output)
        return found

    # For whoever watches

    def halt(self, reason: str, *, after: float = 0.0) -> None:
        """End the answer for a reason of ours, if it has not ended by then."""
        self._halted = self._halted or reason
        if self._limit is not None:
            self._limit.reschedule(self._loop.time() + after)

    def check_stall(self, now: float, *, limit: float) -> None:
        if self.opened is not None and now - self._last_progress > limit:
            self.halt("client_stalled" if self._is_sending else "provider_stalled")

    def checkpoint(self) -> Checkpoint | None:
        """What the answer would be charged if this process died now; spools the text up to here on the way."""
        if self.reservation is None or self.opened is None:
            return None
        if len(self.meter.texts) == 1:
            self._transcript.checkpoint(self.meter.texts[0])
        tokens = self.meter.usage or Tokens(input=self.reservation.input_estimate, output=self._relayed())
        return Checkpoint(self._call.id, weights_of(self._call).weigh(tokens))

    # The life of an answer

    async def _run(self) -> None:
        try:
            self.reservation = await reserve(self._plane, self._call, self._verdict, now=self._now)
            self.balances = self.reservation.balances
            failure = await self._relay(self.reservation)
            await self._settle(self.reservation, failure)
            await self._finish(failure)
        except GatewayError as error:
            await self._finish(error)
        except Exception:
            logger.exception("Call %s ended in an error of ours", self._call.id)
            await self._finish(InternalError())
        finally:
            self._plane.pumps.discard(self)
            self._on_end()

    async def _relay(self, reservation: Reservation) -> GatewayError | None:
        """Open the upstream and pass the answer on. The failure that ended it early, if one did."""
        try:
            async with asyncio.timeout_at(self._deadline()) as self._limit:
                self.opened = await open_first(
                    self._call,
                    self._plane.adapters,
                    output=reservation.output,
                    guidance=self._verdict.guidance,
                )
                self._last_progress = time.monotonic()
                if self._call.is_stream:
                    self._resolve_head(None)
                await self._pass_on(self.opened)
            self.meter.end()
        except TimeoutError:
            return None if self._is_complete() else self._halt_failure()
        except UpstreamBroken as error:
            logger.warning("Call %s: the answer broke off: %s", self._call.id, error)
            return UpstreamFailed(
                "upstream_interrupted", "The provider broke off in the middle of its answer. Ask again."
            )
        except GatewayError as error:
            return error
        except Exception:
            logger.exception("Call %s: relaying failed", self._call.id)
            return InternalError()
        finally:
            self._limit = None
            if self.opened is not None:
                self.opened.upstream.close()
        return None

    def _deadline(self) -> float:
        """When this answer has to end, on the loop's clock."""
        if self._halted:
            return self._loop.time() + (USAGE_GRACE if self._halted == "client_left" else 0.0)
        return self._loop.time() + settings.REQUEST_TIMEOUT

    async def _pass_on(self, opened: Opened) -> None:
        meter = self.meter
        async for chunk in opened.upstream.chunks():
            self._last_progress = time.monotonic()
            if self._first_byte is None:
                self._first_byte = self._last_progress
            block = meter.feed(chunk)
            if block and not self._client_left:
                self._is_sending = True
                await self._queue.put(block)
                self._is_sending = False
                self._last_progress = time.monotonic()
            if self._is_complete() and self._limit is not None:
                # Reading to the very end lets the connection be used again; no one waits long for it.
                self._limit.reschedule(self._loop.time() + CLEAN_END_GRACE)

    def _is_complete(self) -> bool:
        return isinstance(self.meter, StreamMeter) and self.meter.is_done

    def _halt_failure(self) -> GatewayError:
        if self._halted == "shutting_down":
            return Unavailable("shutting_down", "The gateway is restarting. Ask again in a moment.")
        if self._halted == "provider_stalled":
            return UpstreamFailed("upstream_stalled", "The provider stopped in the middle of its answer. Ask again.")
        return UpstreamFailed("upstream_timeout", "The answer took too long and was ended.", status=504)

    async def _settle(self, reservation: Reservation, failure: GatewayError | None) -> None:
        """Charge and record in one transaction; the text is on its way to the spool before."""
        charge = self._charge(reservation, failure)
        if failure is not None:
            failure.charged = charge.amount
        if charge.is_estimated is False and self.meter.usage is not None and not charge.is_free:
            self._plane.ratios.learn(self._call.route.name, size=self._call.size, tokens=self.meter.usage.input)
        self._finish_transcript()
        now = datetime.now(UTC)
        movement = (
            Release(hold=self._call.id, now=now)
            if charge.is_free
            else Settle(hold=self._call.id, charge=charge.amount, now=now)
        )
        outcome = await self._commit(Unit(movement, self._record(charge, failure)))
        if isinstance(outcome, Ended):
            self.balances = tuple(
                Balance(balance.account, used, held)
                for balance, (used, held) in zip(reservation.balances, outcome.totals, strict=True)
            )

    async def _commit(self, unit: Unit) -> object:
        """Settle, asking a database that is away a few times; after that the hold expires at its last checkpoint."""
        for pause in SETTLE_RETRIES:
            try:
                return await self._plane.writer.submit(accounting.apply, unit)
            except StoreAway:
                await asyncio.sleep(pause)
        logger.error("Call %s could not be settled; its hold will expire", self._call.id)
        return None

    def _charge(self, reservation: Reservation, failure: GatewayError | None) -> Charge:
        seen = Seen(
            ending=self._ending(failure),
            was_sent=self.opened is not None or self._halted == "client_left",
            reported=self.meter.usage,
            input_estimate=reservation.input_estimate,
            relayed_estimate=self._relayed() if self._call.is_stream else 0,
            held=reservation.amount,
        )
        if seen.ending == "answered" and not self._call.is_stream:
            seen = replace(seen, relayed_estimate=self._relayed())
        return settling.charge(seen, weights_of(self._call))

    def _ending(self, failure: GatewayError | None) -> Ending:
        if failure is None:
            return "answered"
        return "left" if self._halted in ("client_left", "client_stalled") else "failed"

    def _relayed(self) -> int:
        """The likely tokens of the text that has passed."""
        if not self.meter.text_bytes:
            return 0
        return self._plane.ratios.estimate(self._call.route.name, self.meter.text_bytes)

    def _record(self, charge: Charge, failure: GatewayError | None) -> Record:
        opened = self.opened
        target = opened.candidate.target if opened else None
        since = time.monotonic() - self._started
        ending = self._ending(failure)
        row = replace(
            recording.row_of(self._call, now=self._now),
            provider=target.provider if target else "",
            upstream_model=target.upstream_model if target else "",
            attempts=opened.attempts if opened else 0,
            status=ending,
            error_code=failure.code if failure and ending == "failed" else "",
            input_tokens=charge.tokens.input,
            cached_input_tokens=charge.tokens.cached_input,
            output_tokens=charge.tokens.output,
            charged=charge.amount,
            is_estimated=charge.is_estimated,
            first_byte_ms=int((self._first_byte - self._started) * 1000) if self._first_byte else None,
            duration_ms=int(since * 1000),
        )
        return Record(row, recording.hit_rows(self._call, self._verdict))

    def _finish_transcript(self) -> None:
        texts = self.meter.texts
        self._transcript.finish(texts[0] if len(texts) == 1 else [self.meter.text()] if texts else None)

    async def _finish(self, failure: GatewayError | None) -> None:
        """Tell the client how it ended: the last thing it hears, after everything has been committed."""
        is_open = self._head.done()
        self._resolve_head(failure)
        if not (self._call.is_stream and is_open) or self._client_left:
            return
        if failure is None:
            await self._queue.put(DONE)
        elif self._halted != "client_stalled":
            event = orjson.dumps(failure.body(request_id=self._call.id))
            await self._queue.put(b"data: " + event + b"\n\n")
        await self._queue.put(None)

    def _resolve_head(self, failure: GatewayError | None) -> None:
        if self._head.done():
            return
        if failure is None:
            self._head.set_result(None)
        else:
            self._head.set_exception(failure)
            self._head.exception()  # if the client has left, nobody else asks
