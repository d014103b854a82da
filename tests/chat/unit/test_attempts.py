"""Attempts at an answer: who is asked, who is asked once more, and what is written down."""

import asyncio
import contextlib
import time
from dataclasses import replace

import pytest

from apps.chat.dialects.openai_chat.notes import MAX_ANSWER
from apps.chat.relay.attempts import LAST_MOMENT, Attempts, Providers
from apps.common.errors import GatewayError
from apps.providers.adapters.protocol import ELSEWHERE, Reason, UpstreamBroken, UpstreamRefused
from apps.providers.catalogue import Secret
from apps.providers.health.memory import Health
from tests.chat.unit.many_upstreams import ROLE, ManyAdapter, Script, attempts_at, first_answer, refusal, targets
from tests.chat.unit.values import a_call, a_route, a_target

# Who is tried


async def test_the_first_who_accepts_is_the_last_who_is_asked() -> None:
    adapter = ManyAdapter(refusal("error"), refusal("rate"))
    call = a_call(route=a_route(*targets(3)))

    opened = await first_answer(call, openai=adapter)

    assert [provider for provider, _ in adapter.tried] == ["first", "second", "third"]
    assert (opened.candidate.target.provider, opened.attempts) == ("third", 3)


@pytest.mark.parametrize("reason", sorted(ELSEWHERE))
async def test_what_another_may_do_better_is_tried_elsewhere(reason: Reason) -> None:
    adapter = ManyAdapter(refusal(reason))

    opened = await first_answer(a_call(route=a_route(*targets(2))), openai=adapter)

    assert opened.candidate.target.provider == "second"


async def test_a_request_that_is_wrong_is_wrong_everywhere() -> None:
    adapter = ManyAdapter(refusal("request", status=400))

    with pytest.raises(GatewayError):
        await first_answer(a_call(route=a_route(*targets(2))), openai=adapter)

    assert len(adapter.tried) == 1


async def test_another_credential_is_tried_before_another_provider() -> None:
    both = tuple(Secret(id=id, label=label, text="s", weight=1) for id, label in enumerate(("a", "b")))
    first = a_target(provider="first", secrets=both)
    second = a_target(deployment_id=2, provider="second", priority=1)
    adapter = ManyAdapter(refusal("credential"), refusal("credential"))

    await first_answer(a_call(route=a_route(first, second)), openai=adapter)

    assert [provider for provider, _ in adapter.tried] == ["first", "first", "second"]
    assert {label for _, label in adapter.tried[:2]} == {"a", "b"}


async def test_whatever_may_be_larger_is_tried_for_what_is_too_long_and_nothing_else() -> None:
    sizes = [8_000, None, 32_000, 4_000, 128_000]
    route = a_route(*(a_target(deployment_id=at, context_window=size, priority=at) for at, size in enumerate(sizes)))
    adapter = ManyAdapter(*[refusal("too_long", status=400)] * 4)

    with pytest.raises(GatewayError) as caught:
        await first_answer(a_call(route=route), openai=adapter)

    assert len(adapter.tried) == 3
    assert (caught.value.status, caught.value.code) == (400, "context_length_exceeded")
    assert "maximum context length is 128000 tokens" in caught.value.message


async def test_what_an_error_inside_a_200_means_is_read() -> None:
    both = tuple(Secret(id=id, label=label, text="s", weight=1) for id, label in enumerate(("a", "b")))
    said = b'{"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}'
    adapter = ManyAdapter(Script([said]))

    await first_answer(a_call(route=a_route(a_target(secrets=both))), openai=adapter)

    assert len(adapter.tried) == 2


async def test_every_candidate_gets_its_own_model_name_and_its_own_adapter() -> None:
    first = a_target(provider="first", adapter="openai", upstream_model="one")
    second = a_target(deployment_id=2, provider="second", adapter="echo", upstream_model="two", priority=1)
    openai, echo = ManyAdapter(refusal("error")), ManyAdapter()

    await first_answer(a_call(route=a_route(first, second)), openai=openai, echo=echo)

    assert (openai.sent[0].body["model"], echo.sent[0].body["model"]) == ("one", "two")


@pytest.mark.parametrize("is_stream", [True, False])
async def test_the_adapter_learns_the_request_id_and_the_form(is_stream: bool) -> None:
    adapter = ManyAdapter()

    await first_answer(a_call(route=a_route(a_target()), is_stream=is_stream), openai=adapter)

    assert (adapter.sent[0].request_id, adapter.sent[0].is_stream) == ("call", is_stream)


# What is asked once more


async def outcomes_of(attempts: Attempts) -> list[str]:
    with contextlib.suppress(GatewayError):
        await attempts.first_answer()
    return [row.outcome for row in attempts.rows(None)]


async def test_an_error_is_asked_once_more_if_nobody_else_is_left() -> None:
    adapter = ManyAdapter(refusal("error", status=500), refusal("too_slow"))

    answer = await first_answer(a_call(route=a_route(*targets(2))), openai=adapter)

    assert [provider for provider, _ in adapter.tried] == ["first", "second", "first"]
    assert answer.attempts == 3


@pytest.mark.parametrize(
    ("refused", "times"),
    [
        (refusal("error", status=500), 2),
        (refusal("error", status=503, retry_after=0.01), 2),
        (refusal("error", status=503, retry_after=60), 1),
        (refusal("rate", status=429, retry_after=0.01), 2),
        (refusal("rate", status=429), 1),
        (refusal("rate", status=429, retry_after=60), 1),
        (refusal("unreachable"), 1),
        (refusal("too_slow"), 1),
        (refusal("broken"), 1),
        (refusal("credential", status=401), 1),
        (refusal("request", status=400), 1),
    ],
    ids=lambda value: f"{value.reason}, {value.retry_after}" if isinstance(value, UpstreamRefused) else str(value),
)
async def test_once_and_only_where_it_may_help_soon(refused: UpstreamRefused, times: int) -> None:
    attempts = attempts_at(a_call(route=a_route(a_target())), openai=ManyAdapter(*[refused] * 3))

    assert await outcomes_of(attempts) == [refused.reason] * times


async def test_a_request_at_fault_is_not_sent_again_though_another_deployment_failed() -> None:
    adapter = ManyAdapter(refusal("error", status=500), refusal("request", status=400))

    assert await outcomes_of(attempts_at(a_call(route=a_route(*targets(2))), openai=adapter)) == ["error", "request"]


async def test_nothing_is_repeated_for_which_the_call_has_no_time_left() -> None:
    adapter = ManyAdapter(refusal("error", status=503, retry_after=1.0))
    attempts = attempts_at(a_call(route=a_route(a_target(), longest=0.5)), openai=adapter)
    started = time.monotonic()

    with pytest.raises(GatewayError) as caught:
        await attempts.first_answer()

    assert (caught.value.code, len(adapter.tried)) == ("upstream_error", 1)
    assert time.monotonic() - started < 0.5


async def test_repeats_are_a_small_share_of_the_calls() -> None:
    adapter = ManyAdapter(*[refusal("error", status=500)] * 1000)
    providers, asked = Providers({"openai": adapter}, Health()), 0
    target = a_target(force="closed")  # the breaker would end this sooner
    for _ in range(12):
        attempts = Attempts(a_call(route=a_route(target)), providers, output=10, guidance=())
        asked += len(await outcomes_of(attempts))

    assert asked == 12 + 3


# What is written down


async def test_who_takes_all_the_time_that_a_call_has_is_too_slow() -> None:
    silent = Script()
    silent.has_end = False
    target = a_target(plain_timeout=600.0)
    providers = Providers({"openai": ManyAdapter(*[silent] * 5)}, Health())
    route = a_route(target, longest=LAST_MOMENT + 0.01)

    for _ in range(5):
        with pytest.raises(GatewayError, match="in time"):
            await Attempts(a_call(route=route), providers, output=10, guidance=()).first_answer()

    assert providers.health.deployment(target).reason == "too_slow"
    assert providers.health.deployment(target).is_open


async def test_but_not_who_got_only_what_another_left_of_it() -> None:
    silent = Script()
    silent.has_end = False
    first, second = targets(2)
    providers = Providers({"openai": ManyAdapter(*[silent] * 10)}, Health())
    route = a_route(replace(first, plain_timeout=0.1, force="closed"), second, longest=LAST_MOMENT + 0.15)

    for _ in range(5):
        with pytest.raises(GatewayError, match="in time"):
            await Attempts(a_call(route=route), providers, output=10, guidance=()).first_answer()

    assert not providers.health.deployment(second).is_open


async def test_every_attempt_is_written_down_with_what_came_of_it() -> None:
    adapter = ManyAdapter(refusal("rate", status=429), Script([UpstreamBroken("reset")]))
    attempts = attempts_at(a_call(route=a_route(*targets(3))), openai=adapter)

    await attempts.first_answer()

    rows = [(row.number, row.provider, row.outcome, row.status) for row in attempts.rows(None)]
    assert rows == [(1, "first", "rate", 429), (2, "second", "broken", 0), (3, "third", "answered", 200)]


async def test_one_that_is_ended_from_outside_is_written_down_too() -> None:
    silent = Script([ROLE])
    silent.has_end = False
    attempts = attempts_at(a_call(route=a_route(a_target()), is_stream=True), openai=ManyAdapter(silent))

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await attempts.first_answer()

    assert [row.outcome for row in attempts.rows(None)] == ["ended"]


@pytest.mark.parametrize("is_stream", [False, True])
async def test_an_answer_that_is_too_long_from_the_start_says_so_and_is_asked_for_once(is_stream: bool) -> None:
    """Another deployment would only answer the same, and be paid for it."""
    adapter = ManyAdapter(Script([b"data: " + b"x" * MAX_ANSWER, b"x"]))

    call = a_call(route=a_route(*targets(2)), is_stream=is_stream)

    with pytest.raises(GatewayError, match="longer than the gateway passes on") as caught:
        await first_answer(call, openai=adapter)

    assert caught.value.headers["x-should-retry"] == "false"
    assert len(adapter.tried) == 1
