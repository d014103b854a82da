"""Answers that a test starts and reads, and what became of them."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from apps.chat.call import ChatCall
from apps.chat.guardrails.streams import Guard
from apps.chat.idempotency.keys import ONCE, Repeatable
from apps.chat.relay.pump import Pump
from apps.chat.runtime import ChatRuntime
from apps.common.errors import GatewayError
from apps.common.ids import new_id
from apps.conversations.models import Call
from apps.quotas.models import Hold
from apps.rules.rulebook import Verdict
from tests.chat.unit.desk import Desk
from tests.chat.unit.values import a_call, a_principal, a_route, a_target

SECONDS = 20.0  # a bound for a busy machine; nothing here takes long


BRIEF = a_route(a_target(total_timeout=0.2))  # an answer may take a fifth of a second


def call_of(desk: Desk, **overrides: Any) -> ChatCall:
    principal = a_principal(
        key_id=desk.key.pk, membership_id=desk.student.pk, course_id=desk.student.course_id, logging="off"
    )
    return a_call(route=a_route(a_target()))._replace(id=new_id(), principal=principal, **overrides)


def pump_of(runtime: ChatRuntime, call: ChatCall, *, repeatable: Repeatable = ONCE, guard: Guard | None = None) -> Pump:
    return Pump(
        call,
        Verdict(),
        books=runtime.books,
        providers=runtime.providers,
        live=runtime.live,
        recent=runtime.recent,
        now=datetime.now(UTC),
        guard=guard,
        on_reserved=lambda: None,
        on_end=lambda: None,
        repeatable=repeatable,
    )


def streaming(runtime: ChatRuntime, desk: Desk, **overrides: Any) -> Pump:
    """A stream that has been started."""
    pump = pump_of(runtime, call_of(desk, is_stream=True, **overrides))
    pump.start()
    return pump


async def ended(pump: Pump) -> None:
    async with asyncio.timeout(SECONDS):
        await asyncio.shield(pump.task)


async def read(pump: Pump, *, blocks: int = 10**6) -> list[bytes]:
    """What the client gets: so many blocks, or all."""
    found: list[bytes] = []
    async with asyncio.timeout(SECONDS):
        await pump.delivery.head()
        async for block in pump.delivery.reader.blocks():
            found.append(block)
            if len(found) == blocks:
                break
    return found


async def failure_of(pump: Pump) -> GatewayError:
    async with asyncio.timeout(SECONDS):
        with pytest.raises(GatewayError) as caught:
            await pump.delivery.head()
    await ended(pump)
    return caught.value


async def hold_of(pump: Pump) -> Hold:
    def look() -> Hold:
        try:
            return Hold.objects.get(pk=pump.id)
        finally:
            connection.close()

    return await asyncio.to_thread(look)


async def state_of(pump: Pump) -> str:
    return (await hold_of(pump)).state


async def record_of(pump: Pump) -> Call:
    def look() -> Call:
        try:
            return Call.objects.get(pk=pump.id)
        finally:
            connection.close()

    return await asyncio.to_thread(look)
