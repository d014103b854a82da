"""What is held for a call before it is sent, and how long its answer may get by that."""

from collections.abc import Iterator
from typing import Any

import pytest

from apps.chat.dialects.openai_chat.media import IMAGE_HIGH, IMAGE_LOW, UNSEEN
from tests.chat.pool import WorldPool
from tests.chat.world import World, make_world, wait_until
from tests.live import Gateway
from tests.provider_stub import ProviderStub

pytestmark = pytest.mark.usefixtures("committed_db")


def parts(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, *parts]}]}


def image(size: int, **fields: Any) -> dict[str, Any]:
    url = "data:image/png;base64," + "A" * (size * 4 // 3)
    return {"type": "image_url", "image_url": {"url": url, **fields}}


def held(world: World, body: dict[str, Any]) -> int:
    """The weighted tokens that were held for a call."""
    response = world.post({"model": world.model.name, "max_tokens": 64, **body})
    assert response.status_code == 200, response.text
    return next(hold.amount for hold in world.holds() if hold.pk == response.headers["x-request-id"])


def test_a_large_image_does_not_hold_the_week(gateway: Gateway, stub: ProviderStub) -> None:
    with make_world(gateway, stub, policy={"student_weekly_tokens": 20_000}) as world:
        large = held(world, parts(image(5_000_000)))
        low = held(world, parts(image(5_000_000, detail="low")))

        assert IMAGE_HIGH < large < 1.25 * IMAGE_HIGH + 200
        assert IMAGE_LOW < low < 1.25 * IMAGE_LOW + 200


def test_what_only_an_address_tells_of_is_not_free(world: World, stub: ProviderStub) -> None:
    video = {"type": "video_url", "video_url": {"url": "https://example.edu/lecture.mp4"}}

    assert held(world, parts(video)) > UNSEEN


def test_an_image_reaches_the_provider_as_it_was_sent(world: World, stub: ProviderStub) -> None:
    sent = parts(image(300), {"type": "novelty", "novelty": {"x": 1}})

    held(world, sent)

    assert stub.last.body["messages"] == sent["messages"]


def test_an_image_whose_provider_reports_nothing_is_charged_by_its_documented_cost(
    world: World, stub: ProviderStub
) -> None:
    stub.will(no_usage=True)
    with world.stream(**parts(image(300_000))) as stream:
        list(stream)

    call = world.call()
    assert IMAGE_HIGH < call.input_tokens < IMAGE_HIGH + 200
    assert call.is_estimated


def test_prompts_with_images_do_not_spoil_the_estimates_of_text(world: World, stub: ProviderStub) -> None:
    before = held(world, parts())
    stub.will(times=5, usage={"prompt_tokens": 5000, "completion_tokens": 1})
    for _ in range(5):
        held(world, parts(image(300)))

    assert held(world, parts()) <= before


NAMES = ["max_tokens", "max_completion_tokens"]


@pytest.fixture(scope="module")
def almost_used_up(gateway: Gateway) -> Iterator[WorldPool]:
    policy = {"student_weekly_tokens": 1000, "default_output_tokens": 800}
    with WorldPool(gateway, policy=policy, used=400) as pool:
        yield pool


@pytest.mark.parametrize("names", [NAMES[:1], NAMES[1:], NAMES, []], ids=["old", "new", "both", "none"])
@pytest.mark.parametrize("n", [1, 3])
def test_what_is_held_pays_for_the_longest_answer_that_the_provider_is_allowed(
    almost_used_up: WorldPool, names: list[str], n: int
) -> None:
    ready = almost_used_up.take()
    world, stub = ready.world, ready.stubs[0]

    response = world.post(world.body(n=n, **{name: 700 + len(name) for name in names}))

    sent = [stub.last.body[name] for name in NAMES if name in stub.last.body]
    (hold,) = world.holds()[-1:]
    assert response.status_code == 200
    assert [name for name in NAMES if name in stub.last.body] == [world_cap(world)]
    assert 64 <= max(sent) * n < hold.amount <= 600
    assert response.headers["x-quota-capped-output-tokens"] == str(max(sent))


def world_cap(world: World) -> str:
    """By which name this provider wants the longest answer, whatever name the client uses."""
    return str(world.providers[0].output_cap)


def test_a_course_bounds_every_answer(gateway: Gateway, stub: ProviderStub) -> None:
    with make_world(gateway, stub, policy={"max_output_tokens": 100, "default_output_tokens": 300}) as world:
        responses = [world.post(world.body(**options)) for options in ({}, {"max_tokens": 5000}, {"max_tokens": 7})]

        longest = [exchange.body[world_cap(world)] for exchange in stub.journal]
        assert longest == [100, 100, 7]
        assert ["x-quota-capped-output-tokens" in response.headers for response in responses] == [False] * 3


def test_so_does_the_model(gateway: Gateway, stub: ProviderStub) -> None:
    with make_world(gateway, stub, model={"max_output_tokens": 50}) as world:
        world.post(world.body(max_tokens=5000))

        assert stub.last.body["max_tokens"] == 50


def test_where_too_little_for_a_useful_answer_is_left_the_course_says_what_that_is(
    gateway: Gateway, stub: ProviderStub
) -> None:
    left = 150
    with (
        make_world(gateway, stub, policy={"student_weekly_tokens": 1000}, used=1000 - left) as useful,
        make_world(
            gateway, stub, policy={"student_weekly_tokens": 1000, "least_output_tokens": 200}, used=1000 - left
        ) as useless,
    ):
        statuses = [world.post(world.body(max_tokens=500)).status_code for world in (useful, useless)]

        assert statuses == [200, 429]


def test_a_short_answer_that_was_asked_for_is_useful(gateway: Gateway, stub: ProviderStub) -> None:
    policy = {"student_weekly_tokens": 1000, "least_output_tokens": 200}
    with make_world(gateway, stub, policy=policy, used=850) as world:
        assert world.post(world.body(max_tokens=5)).status_code == 200


def test_what_rules_add_to_the_prompt_is_held_as_well(gateway: Gateway, stub: ProviderStub) -> None:
    guidance = "Never give the whole solution. " * 100
    rule = {"pattern": "recursion", "action": "guide", "guidance": guidance}
    with make_world(gateway, stub, rules=[rule]) as world:
        plain = held(world, {"messages": [{"role": "user", "content": "Explain iteration"}]})
        guided = held(world, {"messages": [{"role": "user", "content": "Explain recursion"}]})

        assert wait_until(lambda: "whole solution" in str(stub.last.body))
        assert guided - plain > len(guidance) / 3
