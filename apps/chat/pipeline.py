"""The chat path, from a key that has been checked to an answer that is on its way.

    authenticate (the handler, before the body is read) -> Principal
    admit    -> a slot: course open, rate and concurrency within bounds
    parse    -> ChatCall
    screen   -> Verdict
    pump     -> a task of its own: reserve, route, open, relay and meter, settle and record

Each stage refuses by raising a GatewayError. Refusals happen before the first byte.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from apps.accounts.principals import Principal
from apps.chat import guarding, recording, screening
from apps.chat.admission import Turn
from apps.chat.outlet import Head
from apps.chat.parsing import parse
from apps.chat.pump import Pump
from apps.chat.reserving import quota_headers
from apps.common.commit import StoreAway
from apps.common.errors import GatewayError, NotAllowed, RateLimited, Unavailable
from apps.common.tracing import Trace
from apps.quotas import ledger
from apps.quotas.movements import Balance
from apps.quotas.rates import Rate
from apps.rules.rulebook import Occasion

if TYPE_CHECKING:
    from apps.chat.plane import Plane


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A request of a caller who is known: its body as bytes, and when it came."""

    id: str
    principal: Principal
    raw: bytes
    now: datetime
    trace: Trace
    assignment: str = ""  # what the caller says that it is for


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes out: headers, and a whole body or, if that is None, the blocks of the pump's stream."""

    headers: dict[str, str]
    body: bytes | None
    pump: Pump


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of a request among the open ones, and its rate. Released by whoever is the last to hold it."""

    rate: Rate | None
    release: Callable[[], None]


async def chat(plane: "Plane", arrival: Arrival) -> Answer:
    """Answer a chat completion request. Raises GatewayError with the student's quota in its headers."""
    slot, turn = None, await plane.admission.turn()
    try:
        slot = await admit(plane, arrival)
        pump = await _start(plane, arrival, slot, turn)
        head = await _head_of(pump)
    except RateLimited:
        raise
    except GatewayError as error:
        if "x-quota-reset" not in error.headers:
            with contextlib.suppress(StoreAway):  # the refusal is as true without them
                balances = await balances_of(plane, arrival.principal, now=arrival.now)
                error.headers.update(quota_headers(balances, now=arrival.now))
        if slot is not None and slot.rate is not None:
            error.headers.update(slot.rate.headers())
        raise
    finally:
        turn.end()
    return Answer(headers=_headers(head, pump, slot.rate, now=arrival.now), body=head.body, pump=pump)


async def admit(plane: "Plane", arrival: Arrival) -> Slot:
    """Let a request in, or say why not: the cheapest refusals come first."""
    principal = arrival.principal
    if plane.is_draining:
        raise Unavailable("shutting_down", "The gateway is restarting. Ask again in a moment.")
    if plane.spool.is_full:
        raise Unavailable("recording_unavailable", "Conversations cannot be recorded at the moment. Try again soon.")
    if not principal.is_open:
        raise NotAllowed("course_closed", f"The course {principal.course_slug} is closed. Ask your instructor.")
    rate = await plane.rates.admit(plane.policies.current.scopes(principal), id=arrival.id)
    return Slot(rate, partial(plane.rates.release, arrival.id))


async def _start(plane: "Plane", arrival: Arrival, slot: Slot, turn: Turn) -> Pump:
    """Parse, screen, and hand the call with its slot to a pump."""
    try:
        catalogue = plane.catalogue.current
        call = parse(arrival.raw, id=arrival.id, principal=arrival.principal, catalogue=catalogue, trace=arrival.trace)
        screened = await screening.screen(call, plane.rulebooks.current, occasion=_occasion(arrival, "prompt"))
        call, verdict = screened.call, screened.verdict  # from here on nobody sees what was redacted
        if (rule := verdict.block) is not None:
            refused = screening.refusal(rule, verdict, last=len(call.messages) - 1)
            await recording.refused(plane, call, verdict, refused, status="blocked", now=arrival.now)
            raise refused
        guard = guarding.guard_of(call, screened.book, occasion=_occasion(arrival, "answer"))
        pump = Pump(plane, call, verdict, now=arrival.now, guard=guard, on_reserved=turn.end, on_end=slot.release)
    except BaseException:
        slot.release()
        raise
    pump.start()
    return pump


def _occasion(arrival: Arrival, direction: str) -> Occasion:
    timezone = arrival.principal.timezone
    return Occasion(direction=direction, now=arrival.now, timezone=timezone, assignment=arrival.assignment)


async def _head_of(pump: Pump) -> Head:
    try:
        return await pump.outlet.head()
    except asyncio.CancelledError:
        pump.client_left()
        raise


def _headers(head: Head, pump: Pump, rate: Rate | None, *, now: datetime) -> dict[str, str]:
    """What the student learns beside the answer."""
    target = head.opened.candidate.target
    headers = quota_headers(head.balances, now=now) | (rate.headers() if rate else {})
    headers |= screening.headers(pump.verdict, last=pump.last_message)
    headers["x-gateway-provider"] = target.provider
    headers["x-gateway-model"] = target.upstream_model
    headers["x-gateway-attempts"] = str(head.opened.attempts)
    if head.reservation.is_capped:
        headers["x-quota-capped-output-tokens"] = str(head.reservation.output)
    return headers


async def balances_of(plane: "Plane", principal: Principal, *, now: datetime) -> tuple[Balance, ...]:
    """How the caller's accounts stand, the own one first. Raises StoreAway."""
    accounts = plane.policies.current.accounts(principal, now=now)
    return await plane.writer.submit(ledger.balances, accounts)
