"""A student whose week is used up."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import openai
import pytest

from tests.chat.pool import WorldPool
from tests.chat.world import World, make_world, wait_until
from tests.live import Gateway
from tests.provider_stub import ProviderStub

ALLOWANCE = 1000


@pytest.fixture(scope="module")
def pool(gateway: Gateway) -> Iterator[WorldPool]:
    """Worlds in which nothing is left of the week."""
    with WorldPool(gateway, policy={"student_weekly_tokens": ALLOWANCE}, used=ALLOWANCE) as pool:
        yield pool


def refusal(world: World) -> openai.RateLimitError:
    with pytest.raises(openai.RateLimitError) as caught:
        world.ask()
    return caught.value


def test_it_is_insufficient_quota(world: World) -> None:
    error = refusal(world)

    assert (error.status_code, error.code, error.type) == (429, "insufficient_quota", "insufficient_quota")


def test_the_official_client_asks_once_only(world: World) -> None:
    sent: list[object] = []
    http_client = openai.DefaultHttpxClient(event_hooks={"request": [sent.append]})

    with pytest.raises(openai.RateLimitError):
        world.openai(http_client=http_client, max_retries=2).chat.completions.create(**world.body())

    assert len(sent) == 1
    assert len(world.calls()) == 1


def test_the_headers_say_do_not_retry_and_when_it_resets(world: World) -> None:
    headers = refusal(world).response.headers

    assert headers["x-should-retry"] == "false"
    assert "retry-after" not in headers
    assert "retry-after-ms" not in headers
    assert headers["x-quota-limit-tokens"] == str(ALLOWANCE)
    assert headers["x-quota-remaining-tokens"] == "0"
    assert datetime.fromisoformat(headers["x-quota-reset"]).tzinfo is not None


def test_the_body_says_what_is_short_and_until_when(world: World) -> None:
    body = refusal(world).body

    assert isinstance(body, dict)
    assert (body["limit"], body["remaining"], body["charged"]) == (ALLOWANCE, 0, 0)
    assert body["resets_at"] == world.usage()["week"]["resets_at"]
    assert "1,000" in body["message"]


def test_nothing_leaves_for_a_provider_and_nothing_is_charged(world: World, stub: ProviderStub) -> None:
    before = world.usage()

    refusal(world)

    assert stub.journal == []
    assert world.usage() == before


def test_a_stream_is_refused_before_it_begins(world: World) -> None:
    with pytest.raises(openai.RateLimitError):
        world.stream()


def test_it_is_written_down(world: World) -> None:
    error = refusal(world)

    call = world.call()
    assert (call.id, call.status, call.error_code) == (error.request_id, "out_of_quota", "insufficient_quota")


def test_the_allowance_of_the_whole_course_counts_too(committed_db: None, gateway: Gateway, stub: ProviderStub) -> None:
    with make_world(gateway, stub, policy={"weekly_tokens": 10}) as world:
        body = refusal(world).body

        assert isinstance(body, dict)
        assert body["account"] == "course"
        assert body["short_by"] == body["needed"] - 10
        assert not {"limit", "remaining"} & set(body), "Others draw on it as well: their numbers are not shown."


def test_the_last_tokens_shorten_the_answer_rather_than_refuse_it(
    committed_db: None, gateway: Gateway, stub: ProviderStub
) -> None:
    with make_world(gateway, stub, policy={"student_weekly_tokens": ALLOWANCE}, used=700) as world:
        response = world.post(world.body(max_tokens=4000))

        assert response.status_code == 200
        assert 64 <= stub.last.body["max_tokens"] < 300
        assert response.headers["x-quota-capped-output-tokens"] == str(stub.last.body["max_tokens"])


def test_step_by_step_to_the_end_of_the_week(committed_db: None, gateway: Gateway, stub: ProviderStub) -> None:
    stub.always(usage={"prompt_tokens": 100, "completion_tokens": 300})
    with make_world(gateway, stub, policy={"student_weekly_tokens": ALLOWANCE}) as world:
        steps = []
        for _ in range(4):
            response = world.post(world.body(max_tokens=300))
            usage = world.usage()
            steps.append((response.status_code, usage["used"], usage["remaining"], usage["warning"]))
            assert response.headers["x-quota-remaining-tokens"] == str(usage["remaining"])
            assert usage["held"] == 0

        assert steps == [
            (200, 400, 600, False),
            (200, 800, 200, True),
            (200, 1200, 0, True),
            (429, 1200, 0, True),
        ]


def test_a_week_that_calls_in_progress_hold_is_not_used_up(
    committed_db: None, gateway: Gateway, stub: ProviderStub
) -> None:
    """Retries succeed by themselves, once the calls have given back what they do not use."""
    stub.always(pause_after=1)
    with make_world(gateway, stub, policy={"student_weekly_tokens": ALLOWANCE}) as world, ThreadPoolExecutor() as pool:
        open_calls = [pool.submit(world.post, world.body(max_tokens=450, stream=True)) for _ in range(2)]
        wait_until(lambda: world.usage()["held"] > 900)

        refused = world.post(world.body(max_tokens=300))
        stub.go_on()
        answer = world.openai(max_retries=3).chat.completions.create(**world.body(max_tokens=300))

        error = refused.json()["error"]
        assert (refused.status_code, error["code"], error["fixed_by"]) == (429, "allowance_in_use", "you")
        assert error["held"] > 900
        assert (refused.headers["retry-after"], refused.headers.get("x-should-retry")) == ("3", None)
        assert answer.choices[0].message.content
        assert [call.result().status_code for call in open_calls] == [200, 200]
