"""The chat path, from an authenticated request to its answer.

    authenticate (the handler, before the body is read) -> Principal
    earlier  -> the answer, if this request repeats one that was answered
    admit    -> a slot, within the limits of rate and concurrency
    parse    -> ChatCall
    screen   -> Verdict
    pump     -> a task of its own: reserve, route, open, relay and meter, settle and record

Each stage refuses by raising a GatewayError, before the first byte is sent.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import NamedTuple, TypeVar

from django.http import BadHeaderError

from apps.accounts.principals import Principal
from apps.chat.accounting import records
from apps.chat.accounting.quota_headers import quota_headers
from apps.chat.call import ChatCall, parse
from apps.chat.dialects.protocol import Dialect, LastLine
from apps.chat.guardrails import notices, prompts, streams
from apps.chat.guardrails.prompts import Screened
from apps.chat.idempotency import keys, lookup
from apps.chat.idempotency.keys import FIRST, ONCE, Attempt, Repeatable
from apps.chat.idempotency.stored_answers import StoredAnswer
from apps.chat.relay.delivery import ClientStream
from apps.chat.relay.head import headers_of
from apps.chat.relay.pump import Pump
from apps.chat.runtime import ChatRuntime
from apps.common import large_bodies, spans
from apps.common.commit import StoreAway
from apps.common.errors import GatewayError, NotAllowed, RateLimited, Unavailable
from apps.common.json_bodies import LARGE
from apps.common.tracing import Trace
from apps.dataplane.admission import Permit, shutting_down
from apps.dataplane.answers import Answer
from apps.quotas.ledger import ledger
from apps.quotas.ledger.movements import Balance
from apps.quotas.rate_limits.limits import Rate
from apps.rules.rulebook import Occasion

T = TypeVar("T")


class Arrival(NamedTuple):
    """A request of an authenticated caller: its raw body, the dialect, and when it came."""

    id: str
    dialect: Dialect
    principal: Principal
    raw: bytes
    now: datetime
    trace: Trace
    assignment: str = ""  # the assignment that the caller names
    attempt: Attempt = FIRST
    admitted: object = None  # the revision of the accounts at which the principal was admitted


class Slot(NamedTuple):
    """The place of a request among the open ones, and its rate. The last one to hold it releases it."""

    rate: Rate | None
    release: Callable[[], None]


async def chat(runtime: ChatRuntime, arrival: Arrival) -> Answer:
    """Answer a chat completion request. Raises GatewayError with the student's quota in its headers."""
    slot, turn, once = None, await runtime.plane.admission.turn(), ONCE
    try:
        if len(arrival.raw) > LARGE:
            turn.end()  # from here on it waits among other large bodies, and keeps no small one waiting
        once = await _repeatable(arrival)
        refuse_if_closed(runtime, arrival.principal)
        found = await lookup.earlier(
            arrival.attempt, once, writer=runtime.plane.writer, recent=runtime.recent, on_wait=turn.end
        )
        if found is not None:
            return await _again(runtime, arrival, found, turn)
        slot = await admit(runtime, arrival)
        pump = await _start(runtime, arrival, slot, turn, once)
        return await _answer(pump, pump.delivery.reader, slot.rate, now=arrival.now)
    except GatewayError as error:
        if once.digest is not None:
            runtime.recent.note_refusal(once.digest, error, now=time.monotonic())
        if not isinstance(error, RateLimited) and "x-quota-reset" not in error.headers:
            error.headers = await _quota_now(runtime, arrival) | error.headers
        if slot is not None and slot.rate is not None:
            error.headers.update(slot.rate.headers())
        raise
    finally:
        turn.end()


async def _repeatable(arrival: Arrival) -> Repeatable:
    principal = arrival.principal
    work = partial(
        keys.repeatable,
        arrival.attempt,
        arrival.raw,
        dialect=arrival.dialect.name,
        call=arrival.id,
        key_id=principal.key_id,
        membership_id=principal.membership_id,
        now=arrival.now,
    )
    return await _worked(arrival, work)


async def _worked(arrival: Arrival, work: Callable[[], T]) -> T:
    """The result of work on the body, which takes a thread if that is large."""
    return work() if len(arrival.raw) <= LARGE else await large_bodies.in_thread(work)


async def _again(runtime: ChatRuntime, arrival: Arrival, found: StoredAnswer | Pump, turn: Permit) -> Answer:
    """Repeat the answer of an earlier request."""
    if isinstance(found, StoredAnswer):
        headers = await _quota_now(runtime, arrival) | found.headers | {lookup.REPLAYED: found.call}
        body = None if found.is_stream else found.content
        return Answer(headers=headers, body=body, blocks=found.blocks(), on_disconnect=lambda: None)
    turn.end()  # from here on it only waits
    answer = await _answer(found, found.join(), None, now=arrival.now)
    answer.headers[lookup.REPLAYED] = found.id
    return answer


async def _quota_now(runtime: ChatRuntime, arrival: Arrival) -> dict[str, str]:
    try:
        return quota_headers(await balances_of(runtime, arrival.principal, now=arrival.now), now=arrival.now)
    except StoreAway:
        return {}  # these headers are optional


def refuse_if_closed(runtime: ChatRuntime, principal: Principal) -> None:
    """The checks that cost nothing, which come first."""
    if runtime.plane.is_draining:
        raise shutting_down()
    if runtime.spool.is_full:
        raise Unavailable("recording_unavailable", "Conversations cannot be recorded at the moment. Try again soon.")
    if not principal.is_open:
        raise NotAllowed("course_closed", f"The course {principal.course_slug} is closed. Ask your instructor.")


async def admit(runtime: ChatRuntime, arrival: Arrival) -> Slot:
    """Apply the limits of rate and concurrency. Raises RateLimited."""
    plan = runtime.plane.policies.current.plan(arrival.principal, now=arrival.now)
    rate = await runtime.plane.rates.admit(plan.scopes, id=arrival.id)
    return Slot(rate, partial(runtime.plane.rates.release, arrival.id))


async def _start(runtime: ChatRuntime, arrival: Arrival, slot: Slot, turn: Permit, repeatable: Repeatable) -> Pump:
    """Parse, screen, and hand the call with its slot to a pump."""
    try:
        parsing = partial(
            parse,
            arrival.raw,
            arrival.dialect,
            id=arrival.id,
            principal=arrival.principal,
            catalogue=runtime.catalogue.current,
            trace=arrival.trace,
        )
        call = await _worked(arrival, parsing)
        with spans.stage("rules"):
            screened = await prompts.screen(call, runtime.rulebooks.current, occasion=_occasion(arrival, "prompt"))
        call, verdict = screened.call, screened.verdict  # later stages never see redacted text
        if (rule := verdict.block) is not None:
            refused = notices.refusal(rule, verdict, last=len(call.messages) - 1, param=call.dialect.prompt_param)
            await records.refused(runtime.books, call, verdict, refused, status="blocked", now=arrival.now)
            raise refused
        pump = Pump(
            call,
            verdict,
            books=runtime.books,
            providers=runtime.providers,
            live=runtime.live,
            recent=runtime.recent,
            now=arrival.now,
            guard=streams.guard_of(call, screened.book, occasion=_occasion(arrival, "answer")),
            line=_line_below(call, screened),
            on_reserved=turn.end,
            on_end=slot.release,
            repeatable=repeatable,
            admitted=arrival.admitted,
        )
    except BaseException:
        slot.release()
        raise
    pump.start()
    return pump


def _line_below(call: ChatCall, screened: Screened) -> LastLine | None:
    """What rules that warn say below the answer, if the course wants that."""
    told = screened.book is not None and screened.book.tells_in_answers and notices.below(screened.verdict)
    return call.dialect.last_line(call.body, told) if told else None


def _occasion(arrival: Arrival, direction: str) -> Occasion:
    timezone = arrival.principal.timezone
    return Occasion(direction=direction, now=arrival.now, timezone=timezone, assignment=arrival.assignment)


async def _answer(pump: Pump, reader: ClientStream, rate: Rate | None, *, now: datetime) -> Answer:
    """Wait until the answer begins, and connect the reader to it."""
    on_disconnect = partial(pump.client_left, reader)
    try:
        head = await pump.delivery.head()
        headers = quota_headers(head.balances, now=now) | (rate.headers() if rate else {})
        headers |= head.reservation.pace.headers() | headers_of(head)
        return Answer(headers=headers, body=head.body, blocks=reader.blocks(), on_disconnect=on_disconnect)
    except (asyncio.CancelledError, BadHeaderError):
        on_disconnect()
        raise


async def balances_of(runtime: ChatRuntime, principal: Principal, *, now: datetime) -> tuple[Balance, ...]:
    """The balances of the caller's accounts, their own first. Raises StoreAway."""
    plan = runtime.plane.policies.current.plan(principal, now=now)
    return await runtime.plane.reader.submit(ledger.balances, plan.accounts)
