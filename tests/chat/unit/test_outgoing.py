"""What each provider gets of a request, as its settings say."""

from typing import Any

import pytest

from apps.chat.accounting.estimates import Estimate
from apps.providers.adapters.protocol import Outgoing
from apps.providers.catalogue import Target
from apps.providers.pseudonyms import key_of, pseudonym
from tests.chat.unit.many_upstreams import ManyAdapter, first_answer
from tests.chat.unit.values import a_call, a_principal, a_route, a_target

KEY = key_of("first", pepper="pepper")


async def sent(target: Target, body: dict[str, Any], *, limit: int = 4096, **overrides: Any) -> Outgoing:
    """What goes to a provider for a body, of which ten output tokens were reserved."""
    adapter = ManyAdapter()
    call = a_call(route=a_route(target, max_output_tokens=limit), **overrides)
    call.body.update(body)
    await first_answer(call, openai=adapter)
    return adapter.sent[0]


# The output cap


async def test_a_cap_that_nobody_asked_for_is_left_out_where_the_provider_wants_none() -> None:
    outgoing = await sent(a_target(sends_output_cap=False), {}, limit=10)

    assert not outgoing.body.keys() & {"max_tokens", "max_completion_tokens"}


async def test_a_cap_that_course_or_allowance_need_is_sent_all_the_same() -> None:
    outgoing = await sent(a_target(sends_output_cap=False), {}, limit=11)

    assert outgoing.body["max_tokens"] == 10


async def test_the_client_s_cap_is_sent_to_a_provider_that_wants_none_of_ours() -> None:
    outgoing = await sent(
        a_target(sends_output_cap=False, output_cap="max_completion_tokens"), {"max_tokens": 7}, limit=10
    )

    assert outgoing.body["max_completion_tokens"] == 7


@pytest.mark.parametrize(
    ("sends_output_cap", "max_output", "held"), [(True, None, 500), (False, None, 4096), (False, 70, 70)]
)
def test_an_answer_without_a_cap_is_held_at_the_model_s_own_limit(
    sends_output_cap: bool, max_output: int | None, held: int
) -> None:
    call = a_call(route=a_route(a_target(sends_output_cap=sends_output_cap)), max_output=max_output)

    estimate = Estimate.of(call, input=10, default_output=500, least_output=16)

    assert estimate.output == held


# Stream options


@pytest.mark.parametrize("options", [None, {"include_usage": True}])
async def test_stream_options_do_not_reach_a_provider_that_does_not_understand_them(options: Any) -> None:
    outgoing = await sent(a_target(stream_options="no"), {"stream_options": options}, is_stream=True)

    assert "stream_options" not in outgoing.body


@pytest.mark.parametrize("understood", ["yes", "learn"])
async def test_usage_is_asked_for_where_it_is_understood_or_not_known(understood: str) -> None:
    outgoing = await sent(a_target(stream_options=understood), {}, is_stream=True)

    assert outgoing.body["stream_options"] == {"include_usage": True}


async def test_what_stoa_adds_to_a_body_is_named() -> None:
    outgoing = await sent(a_target(output_cap="max_completion_tokens"), {"max_tokens": 7}, is_stream=True)

    assert outgoing.added == {"max_completion_tokens", "stream_options"}


# Who asks

IDENTITY = {"user": "ada@example.edu", "safety_identifier": "s1", "metadata": {"student": "ada"}}


async def test_a_provider_gets_a_pseudonym_in_place_of_who_asks() -> None:
    outgoing = await sent(a_target(pseudonym_key=KEY), IDENTITY, principal=a_principal(membership_id=5))

    disguised = pseudonym(KEY, 5)
    assert {name: outgoing.body.get(name) for name in IDENTITY} == {
        "user": disguised,
        "safety_identifier": disguised,
        "metadata": None,
    }


async def test_a_provider_that_is_to_learn_nothing_gets_nothing_of_who_asks() -> None:
    outgoing = await sent(a_target(pseudonym_key=b""), IDENTITY)

    assert not outgoing.body.keys() & IDENTITY.keys()


async def test_a_client_that_does_not_say_who_asks_is_not_named() -> None:
    outgoing = await sent(a_target(pseudonym_key=KEY), {"user": None})

    assert not outgoing.body.keys() & IDENTITY.keys()


def test_pseudonyms_last_and_cannot_be_joined() -> None:
    other = key_of("second", pepper="pepper")

    assert pseudonym(KEY, 5) == pseudonym(KEY, 5)
    assert len({pseudonym(KEY, 5), pseudonym(KEY, 6), pseudonym(other, 5)}) == 3
    assert key_of("first", pepper="another") != KEY


# Limits of time


@pytest.mark.parametrize(("is_stream", "limit"), [(True, 1.0), (False, 9.0)])
def test_a_plain_answer_has_a_limit_of_its_own(is_stream: bool, limit: float) -> None:
    target = a_target(first_byte_timeout=1.0, plain_timeout=9.0)

    assert target.limit_of_first_byte(is_stream=is_stream) == limit
