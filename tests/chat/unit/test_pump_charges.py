"""What an answer is charged for what its provider reports, or does not."""

from datetime import UTC, datetime
from typing import Any

import pytest

from apps.chat.accounting.charges import most_text
from apps.chat.runtime import ChatRuntime
from apps.providers.adapters.protocol import UpstreamBroken
from apps.quotas.models import Hold
from tests.chat.unit.desk import Desk
from tests.chat.unit.pumps import ended, read, record_of, state_of, streaming
from tests.chat.unit.upstreams import (
    FINISH,
    ScriptedUpstream,
    event,
    piece,
    usage,
)


def report(**counts: Any) -> bytes:
    return event({"choices": [], "usage": counts})


TEXT = piece("a" * 300)  # about 100 tokens, and the prompt about 34
REPORTS: dict[str, tuple[list[bytes], int, bool]] = {
    # what the provider says -> charge, whether it is an estimate
    "once": ([TEXT, FINISH, usage(40, 60)], 100, False),
    "zero": ([TEXT, FINISH, usage(0, 0)], 135, True),
    "no prompt": ([TEXT, FINISH, usage(0, 60)], 94, True),
    "too little": ([TEXT, FINISH, usage(40, 2)], 141, True),
    "twice": ([TEXT, FINISH, usage(1, 1), usage(40, 60)], 100, False),
    "with every piece": ([usage(40, 0), TEXT, usage(40, 60), FINISH], 100, False),
    "in the middle only": ([usage(40, 0), TEXT, FINISH], 135, True),
    "much, and in the middle": ([usage(300, 0), TEXT, FINISH], 300, False),
    "nothing": ([TEXT, FINISH], 135, True),
    "null": ([TEXT, FINISH, event({"choices": [], "usage": None})], 135, True),
    "no counts": ([TEXT, FINISH, report()], 135, True),
    "only the prompt": ([TEXT, FINISH, report(prompt_tokens=40)], 135, True),
    "the prompt and all": ([TEXT, FINISH, report(prompt_tokens=40, total_tokens=100)], 100, False),
    "less than nothing": ([TEXT, FINISH, report(prompt_tokens=-40, completion_tokens=-60)], 135, True),
    "words": ([TEXT, FINISH, report(prompt_tokens="40", completion_tokens="60")], 135, True),
    "a list": ([TEXT, FINISH, event({"choices": [], "usage": [40, 60]})], 135, True),
    "sense, then nonsense": ([TEXT, FINISH, usage(40, 60), report(prompt_tokens=None)], 100, False),
    "four times what was held": ([TEXT, FINISH, usage(1, 4 * 242 - 1)], 968, False),
    "more than that": ([TEXT, FINISH, usage(1, 10**9)], 968, True),
}


@pytest.mark.parametrize("name", REPORTS)
async def test_what_is_charged_for_what_a_provider_reports(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk, name: str
) -> None:
    chunks, charged, is_estimated = REPORTS[name]
    upstream.say(*chunks)
    upstream.end()
    pump = streaming(ledger, desk, max_output=200)

    await read(pump)

    await ended(pump)
    record = await record_of(pump)
    assert (record.status, record.charged, record.is_estimated) == ("answered", charged, is_estimated)


DOUBTS: list[tuple[list[bytes], str]] = [
    ([TEXT, FINISH, usage(40, 60)], ""),
    ([TEXT, FINISH], ""),
    ([TEXT, FINISH, usage(0, 60)], "It reports no tokens for the prompt."),
    ([TEXT, FINISH, report(prompt_tokens=-1)], "It reports its usage in a form that is not known."),
]


@pytest.mark.parametrize(("chunks", "doubt"), DOUBTS)
async def test_the_operator_learns_why_a_report_is_not_believed(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk, chunks: list[bytes], doubt: str
) -> None:
    upstream.say(*chunks)
    upstream.end()
    pump = streaming(ledger, desk)

    await read(pump)

    await ended(pump)
    assert list(ledger.providers.health.news(datetime.now(UTC)).doubts.values()) == [doubt] * bool(doubt)


async def test_a_report_in_the_middle_does_not_make_a_crash_cheaper(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    upstream.say(usage(40, 0), TEXT)
    pump = streaming(ledger, desk)
    await read(pump, blocks=1)

    point = pump.checkpoint()

    pump.stop("shutting_down")
    await ended(pump)
    assert point is not None
    assert point.amount == 135


async def test_an_answer_far_beyond_what_it_may_cost_is_ended(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    upstream.say(piece("Hello"), piece("x" * most_text(2)))
    pump = streaming(ledger, desk, max_output=2)

    first, last = await read(pump)

    await ended(pump)
    assert (first, b"upstream_interrupted" in last) == (piece("Hello"), True)
    assert 34 < (await record_of(pump)).charged <= 34 + 2


async def test_one_that_is_far_too_long_from_the_start_brings_nothing_and_costs_nothing(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    upstream.say(piece("x" * (most_text(2) + 1)))
    pump = streaming(ledger, desk, max_output=2)

    (last,) = await read(pump)

    await ended(pump)
    assert b"upstream_interrupted" in last and b'"charged":0' in last
    assert await state_of(pump) == Hold.State.RELEASED


@pytest.mark.parametrize("fails", [True, False], ids=["refused", "cut off by us"])
async def test_a_client_that_left_pays_for_the_prompt_only_if_a_provider_was_still_at_work(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk, fails: bool
) -> None:
    pump = streaming(ledger, desk)
    await upstream.read_by_now()

    pump.client_left()
    if fails:
        upstream.fail(UpstreamBroken("reset"))

    await ended(pump)
    record = await record_of(pump)
    assert (record.status, record.charged) == ("left", 0 if fails else 34)
    assert await state_of(pump) == (Hold.State.RELEASED if fails else Hold.State.SETTLED)
