"""The chat path as a whole in one event loop: what goes out, and what becomes of a request that does not get that far.

What students see of it is tested through HTTP.
"""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest
from django.db import connection
from django.http import BadHeaderError

from apps.accounts.principals import Principal
from apps.chat import pipeline
from apps.chat.dialects.openai_chat import OPENAI_CHAT
from apps.chat.idempotency.keys import FIRST, Attempt
from apps.chat.pipeline import Answer, Arrival
from apps.chat.runtime import ChatRuntime
from apps.common import tracing
from apps.common.commit import StoreAway
from apps.common.errors import BlockedByRule, NotAllowed, NotFound, RateLimited, Unavailable
from apps.common.ids import new_id
from apps.providers.models import Deployment
from apps.quotas.models import QuotaPolicy
from tests import factories
from tests.chat.unit.conftest import reload
from tests.chat.unit.desk import Desk
from tests.chat.unit.upstreams import DONE, FINISH, ScriptedAdapter, ScriptedUpstream, completion, piece
from tests.chat.unit.values import a_principal

T = TypeVar("T")
SECONDS = 20.0  # a bound for a busy machine; nothing here takes long


async def in_thread(write: Callable[[], T]) -> T:
    def write_and_close() -> T:
        try:
            return write()
        finally:
            connection.close()

    return await asyncio.to_thread(write_and_close)


@pytest.fixture
async def model(ledger: ChatRuntime, desk: Desk) -> str:
    """The name of a model that the desk's course allows, at the scripted provider."""

    def make() -> str:
        provider = factories.make_provider()
        return factories.make_model(provider, course=desk.student.course).name

    name = await in_thread(make)
    await reload(ledger)
    return name


def principal_of(desk: Desk, **overrides: Any) -> Principal:
    course = desk.student.course_id
    own = {"key_id": desk.key.pk, "membership_id": desk.student.pk, "course_id": course, "logging": "off"}
    return a_principal(**{**own, **overrides})


def arrival(
    desk: Desk, model: str, *, attempt: Attempt = FIRST, prompt: str = "Hi", stream: bool = False, **principal: Any
) -> Arrival:
    body = {"model": model, "messages": [{"role": "user", "content": prompt}], "stream": stream}
    return Arrival(
        id=new_id(),
        dialect=OPENAI_CHAT,
        principal=principal_of(desk, **principal),
        raw=json.dumps(body).encode(),
        now=datetime.now(UTC),
        trace=tracing.begun(),
        attempt=attempt,
    )


async def ask(runtime: ChatRuntime, request: Arrival) -> Answer:
    async with asyncio.timeout(SECONDS):
        return await pipeline.chat(runtime, request)


async def blocks_of(answer: Answer) -> list[bytes]:
    async with asyncio.timeout(SECONDS):
        return [block async for block in answer.blocks]


async def over(runtime: ChatRuntime) -> None:
    """Wait until every answer has ended."""
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*(pump.task for pump in runtime.live))


def says(upstream: ScriptedUpstream, *chunks: bytes) -> None:
    upstream.say(*chunks)
    upstream.end()


async def test_a_plain_answer(upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk, model: str) -> None:
    says(upstream, completion("Hello"))

    answer = await ask(ledger, arrival(desk, model))

    await over(ledger)
    assert answer.body == completion("Hello")
    assert {"x-quota-remaining-tokens", "x-gateway-provider", "x-gateway-attempts"} <= answer.headers.keys()


async def test_a_stream(upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk, model: str) -> None:
    says(upstream, piece("Hello"), FINISH)

    answer = await ask(ledger, arrival(desk, model, stream=True))

    assert answer.body is None
    assert await blocks_of(answer) == [piece("Hello"), FINISH, DONE]
    await over(ledger)


async def test_a_client_that_leaves_before_the_answer_begins(
    adapter: ScriptedAdapter, ledger: ChatRuntime, desk: Desk, model: str
) -> None:
    asking = asyncio.create_task(pipeline.chat(ledger, arrival(desk, model)))
    async with asyncio.timeout(SECONDS):
        while not adapter.asked:  # noqa: ASYNC110  # there is no event for that
            await asyncio.sleep(0)

    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    assert [pump.is_orphaned for pump in ledger.live] == [True]
    says(adapter.upstream, completion("Hello"))
    await over(ledger)


async def test_a_line_break_in_a_header_ends_the_call_before_its_first_byte(
    adapter: ScriptedAdapter, ledger: ChatRuntime, desk: Desk, model: str
) -> None:
    """Here it can still become an error in JSON; on its way out it could not."""
    await in_thread(lambda: Deployment.objects.filter(model__name=model).update(upstream_model="a\r\nx-injected: b"))
    await reload(ledger)
    adapter.upstream.say(piece("Hello"))

    with pytest.raises(BadHeaderError):
        await ask(ledger, arrival(desk, model, stream=True))

    assert [pump.is_orphaned for pump in ledger.live] == [True]
    says(adapter.upstream, FINISH)
    await over(ledger)


async def test_a_refusal_says_how_the_week_stands(
    adapter: ScriptedAdapter, ledger: ChatRuntime, desk: Desk, model: str
) -> None:
    with pytest.raises(NotFound) as caught:
        await ask(ledger, arrival(desk, "another-model"))

    assert "x-quota-remaining-tokens" in caught.value.headers


async def test_it_is_as_true_while_nobody_knows_how_the_week_stands(
    ledger: ChatRuntime, desk: Desk, model: str
) -> None:
    ledger.plane.writer.start()
    await asyncio.to_thread(ledger.plane.writer.stop)

    with pytest.raises(NotFound) as caught:
        await ask(ledger, arrival(desk, "another-model"))
    with pytest.raises(StoreAway):
        await ask(ledger, arrival(desk, model))

    assert "x-quota-remaining-tokens" not in caught.value.headers


async def test_a_closed_course_answers_nobody(
    adapter: ScriptedAdapter, ledger: ChatRuntime, desk: Desk, model: str
) -> None:
    with pytest.raises(NotAllowed):
        await ask(ledger, arrival(desk, model, is_open=False))

    assert adapter.asked == 0


async def test_one_request_too_many_is_refused_and_says_when_to_come_back(
    adapter: ScriptedAdapter, ledger: ChatRuntime, desk: Desk, model: str
) -> None:
    def limit() -> None:
        QuotaPolicy.objects.filter(course=desk.student.course).update(student_requests_per_minute=1)

    await in_thread(limit)
    await reload(ledger)
    with pytest.raises(NotFound) as first:
        await ask(ledger, arrival(desk, "another-model"))

    with pytest.raises(RateLimited) as caught:
        await ask(ledger, arrival(desk, model))

    assert "x-ratelimit-limit-requests" in first.value.headers
    assert "retry-after" in caught.value.headers or "x-should-retry" in caught.value.headers


async def test_a_prompt_that_a_rule_blocks_reaches_no_provider(
    adapter: ScriptedAdapter, ledger: ChatRuntime, desk: Desk, model: str
) -> None:
    await reload(ledger)

    with pytest.raises(BlockedByRule):
        await ask(ledger, arrival(desk, model, prompt="Solve my homework"))

    assert adapter.asked == 0


# Repeats


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_an_answer_that_is_over_is_given_again(
    adapter: ScriptedAdapter, ledger: ChatRuntime, desk: Desk, model: str, stream: bool
) -> None:
    chunks = [piece("Hello"), FINISH] if stream else [completion("Hello")]
    says(adapter.upstream, *chunks)
    request = arrival(desk, model, stream=stream, attempt=Attempt(number=0))
    first = await ask(ledger, request)
    whole = first.body or b"".join(await blocks_of(first))
    await over(ledger)

    again = await ask(ledger, arrival(desk, model, stream=stream, attempt=Attempt(number=1)))

    assert (again.body or b"".join(await blocks_of(again))) == whole
    assert (again.body is None, again.headers["x-gateway-replayed"]) == (stream, request.id)
    again.on_disconnect()
    assert adapter.asked == 1


async def test_an_answer_that_is_being_made_is_joined(
    adapter: ScriptedAdapter, ledger: ChatRuntime, desk: Desk, model: str
) -> None:
    adapter.upstream.say(piece("Hello"))
    first = await ask(ledger, arrival(desk, model, stream=True, attempt=Attempt(number=0)))
    first.on_disconnect()

    again = await ask(ledger, arrival(desk, model, stream=True, attempt=Attempt(number=1)))
    says(adapter.upstream, FINISH)

    assert await blocks_of(again) == [piece("Hello"), FINISH, DONE]
    assert "x-gateway-replayed" in again.headers
    await over(ledger)


async def test_a_key_that_is_taken_by_another_body_is_refused(
    adapter: ScriptedAdapter, ledger: ChatRuntime, desk: Desk, model: str
) -> None:
    says(adapter.upstream, completion("Hello"))
    await ask(ledger, arrival(desk, model, attempt=Attempt(key="key")))
    await over(ledger)

    with pytest.raises(pipeline.GatewayError) as caught:
        await ask(ledger, arrival(desk, model, prompt="Ho", attempt=Attempt(key="key")))

    assert (caught.value.status, caught.value.code) == (400, "idempotency_key_reused")


async def test_an_attempt_that_got_an_error_is_carried_out_when_it_is_repeated(
    adapter: ScriptedAdapter, ledger: ChatRuntime, desk: Desk, model: str
) -> None:
    """Although an equal request of the same student has just been answered."""
    says(adapter.upstream, completion("Hello"))
    await ask(ledger, arrival(desk, model, attempt=Attempt(number=0)))
    await over(ledger)
    ledger.plane.is_draining = True
    with pytest.raises(Unavailable):
        await ask(ledger, arrival(desk, model, attempt=Attempt(number=0)))
    ledger.plane.is_draining = False

    says(adapter.upstream, completion("Hello again"))
    answer = await ask(ledger, arrival(desk, model, attempt=Attempt(number=1)))

    assert (answer.body, adapter.asked) == (completion("Hello again"), 2)
    await over(ledger)
