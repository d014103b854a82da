"""An answer's life where nobody outside can bring it: mistakes of ours, and a client that goes before it begins."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from apps.chat.parsing import ChatCall
from apps.chat.plane import Plane
from apps.chat.pump import Pump
from apps.common.errors import InternalError
from apps.common.ids import new_id
from apps.common.revisions import refresh_all
from apps.providers.adapters import Outgoing
from apps.providers.routing import Candidate
from apps.quotas.models import Hold
from apps.rules.rulebook import Verdict
from tests.chat.unit.desk import Desk
from tests.chat.unit.values import a_call, a_principal, a_route, a_target


class BrokenAdapter:
    """An adapter with a mistake in it."""

    asked = 0

    async def open(self, candidate: Candidate, outgoing: Outgoing) -> Any:
        self.asked += 1
        raise ZeroDivisionError


@pytest.fixture
async def ledger(plane: Plane, desk: Desk) -> AsyncIterator[Plane]:
    """A plane that knows the desk's student, and whose writer can be started."""
    await asyncio.to_thread(refresh_all, plane.snapshots)
    yield plane
    await asyncio.to_thread(plane.writer.stop)


def call_of(desk: Desk) -> ChatCall:
    principal = a_principal(
        key_id=desk.key.pk, membership_id=desk.student.pk, course_id=desk.student.course_id, logging="off"
    )
    return replace(a_call(route=a_route(a_target())), id=new_id(), principal=principal)


def pump_of(plane: Plane, call: ChatCall) -> Pump:
    now = datetime.now(UTC)
    return Pump(plane, call, Verdict(), now=now, on_reserved=lambda: None, on_end=lambda: None)


async def state_of(call: ChatCall) -> str:
    def look() -> str:
        try:
            return Hold.objects.get(pk=call.id).state
        finally:
            connection.close()

    return await asyncio.to_thread(look)


async def test_a_client_that_left_before_anything_was_sent_costs_nothing(ledger: Plane, desk: Desk) -> None:
    adapter = BrokenAdapter()
    ledger.adapters = {"openai": adapter}
    call = call_of(desk)
    pump = pump_of(ledger, call)

    pump.start()
    await asyncio.sleep(0)  # it waits for its reservation now
    pump.client_left()
    ledger.writer.start()
    await pump.task

    assert (await state_of(call), adapter.asked) == (Hold.State.RELEASED, 0)


async def test_a_mistake_of_ours_while_relaying_is_said_and_costs_nothing(ledger: Plane, desk: Desk) -> None:
    ledger.adapters = {"openai": BrokenAdapter()}
    call = call_of(desk)
    pump = pump_of(ledger, call)
    ledger.writer.start()

    pump.start()
    with pytest.raises(InternalError):
        await pump.outlet.head()
    await pump.task

    assert await state_of(call) == Hold.State.RELEASED


async def test_a_mistake_of_ours_before_that_is_said_as_well(ledger: Plane, desk: Desk) -> None:
    ledger.adapters = {"openai": BrokenAdapter()}
    call = call_of(desk)
    ledger.writer.start()
    first, second = pump_of(ledger, call), pump_of(ledger, call)  # two of the same id, which the ledger refuses

    first.start()
    await first.task
    second.start()

    with pytest.raises(InternalError):
        await second.outlet.head()
    await second.task
    assert ledger.pumps == set()
