"""Tokens a minute, as students meet them. An answer of the stub costs a few tokens, whatever `max_tokens` allows."""

import re
import time
from pathlib import Path

import openai
import pytest

from tests import factories
from tests.chat.world import World, make_world, wait_until
from tests.live import WITHOUT_CELERY, Gateway, start_gateway
from tests.provider_stub import ProviderStub
from tests.servers import Redis

pytestmark = pytest.mark.usefixtures("committed_db")

LIMIT = 1000
BOUNDS = {"student_tokens_per_minute": LIMIT}


def ask(world: World, *, most: int, **options: object) -> openai.types.chat.ChatCompletion:
    return world.ask(max_tokens=most, **options)


def refusal(world: World, *, most: int) -> openai.RateLimitError:
    with pytest.raises(openai.RateLimitError) as caught:
        ask(world, most=most)
    return caught.value


def test_a_call_that_fits_is_answered_and_told_what_is_left(gateway: Gateway, stub: ProviderStub) -> None:
    with make_world(gateway, stub, policy=BOUNDS) as world:
        headers = world.post(world.body(max_tokens=500)).headers

        assert headers["x-ratelimit-limit-tokens"] == str(LIMIT)
        assert 400 < int(headers["x-ratelimit-remaining-tokens"]) < 500
        assert headers["x-ratelimit-reset-tokens"] == "1m0s"
        assert headers["x-quota-limit-tokens"] == str(world.usage()["limit"])


def test_while_a_call_runs_it_counts_with_what_it_may_cost(gateway: Gateway, stub: ProviderStub) -> None:
    stub.will(pause_after=1)
    with make_world(gateway, stub, policy=BOUNDS) as world:
        chunks = iter(world.stream(max_tokens=800))
        next(chunks)

        refused = refusal(world, most=300)
        stub.go_on()
        list(chunks)

        error = refused.response.json()["error"]
        assert (error["type"], error["code"], error["charged"]) == ("tokens", "rate_limit_exceeded", 0)
        assert error["message"].startswith("You may take 1,000 tokens a minute in this course.")
        assert refused.response.headers["x-ratelimit-limit-tokens"] == str(LIMIT)
        assert 0 < int(refused.response.headers["retry-after"]) <= 60


def test_once_it_ends_it_counts_with_what_it_cost(gateway: Gateway, stub: ProviderStub) -> None:
    with make_world(gateway, stub, policy=BOUNDS) as world:
        spent = 0
        for _ in range(5):
            answer = world.post(world.body(max_tokens=800))
            assert answer.status_code == 200
            spent += answer.json()["usage"]["total_tokens"]

        left = int(world.post(world.body(max_tokens=1)).headers["x-ratelimit-remaining-tokens"])

        assert 0 < LIMIT - left - spent < 50  # the last one, which is not settled when its headers are made


def test_whoever_waits_as_long_as_told_is_admitted(gateway: Gateway, stub: ProviderStub) -> None:
    """A refusal tells the exact wait; that it is exact is under the contract. Here, room comes with a call's end."""
    stub.will(pause_after=1)
    with make_world(gateway, stub, policy=BOUNDS) as world:
        began = time.monotonic()
        chunks = iter(world.stream(max_tokens=900))
        next(chunks)

        told = int(refusal(world, most=300).response.headers["retry-after-ms"]) / 1000
        elapsed = time.monotonic() - began
        stub.go_on()
        list(chunks)

        assert 60 - elapsed - 0.1 < told <= 60
        assert ask(world, most=300).choices


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_that_fails_for_free_gives_its_tokens_back(gateway: Gateway, stub: ProviderStub, stream: bool) -> None:
    with make_world(gateway, stub, policy=BOUNDS) as world:
        for _ in range(3):
            stub.will(body=b"")
            failed = world.post(world.body(max_tokens=900, stream=stream))
            assert failed.status_code == 502
            assert failed.headers["x-ratelimit-limit-tokens"] == str(LIMIT)

        assert ask(world, most=900).choices


def test_a_call_that_the_week_refuses_gives_its_tokens_back(gateway: Gateway, stub: ProviderStub) -> None:
    with make_world(gateway, stub, policy={**BOUNDS, "student_weekly_tokens": 40, "least_output_tokens": 30}) as world:
        for _ in range(3):
            refused = refusal(world, most=900)

            assert refused.code == "insufficient_quota"


def test_a_client_that_leaves_pays_for_what_it_got_only(gateway: Gateway, stub: ProviderStub) -> None:
    stub.will(pause_after=1)
    with make_world(gateway, stub, policy=BOUNDS) as world:
        stream = world.stream(max_tokens=900)
        next(iter(stream))

        stream.close()

        assert wait_until(lambda: world.post(world.body(max_tokens=900)).status_code == 200, what="Room again")


def test_a_call_larger_than_the_whole_limit_is_refused_for_good(gateway: Gateway, stub: ProviderStub) -> None:
    with make_world(gateway, stub, policy=BOUNDS) as world:
        with pytest.raises(openai.RateLimitError) as caught:
            world.openai(max_retries=2).chat.completions.create(**world.body(max_tokens=LIMIT + 1))

        refused = caught.value.response
        assert refused.headers["x-should-retry"] == "false"
        assert "retry-after" not in refused.headers
        assert "waiting does not help" in refused.json()["error"]["message"]
        assert caught.value.response.request.headers["x-stainless-retry-count"] == "0"
        assert stub.journal == []


def test_a_refusal_holds_nothing_and_writes_no_record(gateway: Gateway, stub: ProviderStub) -> None:
    with make_world(gateway, stub, policy={**BOUNDS, "student_concurrent_requests": 1}) as world:
        before = world.usage()

        for _ in range(3):
            refusal(world, most=LIMIT + 1)

        assert world.usage() == before
        assert world.calls() == []
        assert ask(world, most=10).choices


def test_a_refusal_says_how_the_requests_stand_too(gateway: Gateway, stub: ProviderStub) -> None:
    with make_world(gateway, stub, policy={**BOUNDS, "student_requests_per_minute": 5}) as world:
        refused = refusal(world, most=LIMIT + 1)

        assert refused.response.headers["x-ratelimit-remaining-requests"] == "4"


@pytest.mark.parametrize(
    ("scope", "sentence"), [("key", "This API key may take 1,000"), ("course", "Your course may take 1,000")]
)
def test_keys_and_courses_have_limits_of_their_own(
    gateway: Gateway, stub: ProviderStub, scope: str, sentence: str
) -> None:
    stub.will(pause_after=1)
    with make_world(gateway, stub, policy={f"{scope}_tokens_per_minute": LIMIT}) as world:
        other = world.student if scope == "key" else factories.make_student(course=world.course)
        others_key = factories.make_key(other)
        chunks = iter(world.stream(max_tokens=800))
        next(chunks)

        refused = world.post(world.body(max_tokens=300))
        others = world.post(world.body(max_tokens=300), key=others_key)
        stub.go_on()
        list(chunks)

        assert refused.json()["error"]["message"].startswith(sentence)
        assert others.status_code == (200 if scope == "key" else 429)


def test_weights_count(gateway: Gateway, stub: ProviderStub) -> None:
    weights = {"input_weight": 2, "output_weight": 3}
    with make_world(gateway, stub, policy=BOUNDS, model=weights) as world:
        refused = refusal(world, most=400)

        assert refused.response.json()["error"]["needed"] > 1200
        assert ask(world, most=300).choices


def test_the_week_keeps_the_names_if_no_minute_is_limited(gateway: Gateway, stub: ProviderStub) -> None:
    with make_world(gateway, stub) as world:
        headers = world.post().headers

        assert headers["x-ratelimit-limit-tokens"] == headers["x-quota-limit-tokens"]
        assert re.fullmatch(r"\d+", headers["x-ratelimit-remaining-tokens"])


def test_with_redis_they_hold_and_go_on_holding_without_it(data_dir: Path) -> None:
    settings = {"REDIS_TIMEOUT": "5", **WITHOUT_CELERY}
    with Redis() as redis, start_gateway(data_dir, REDIS_URL=redis.url(), **settings) as gateway:
        with_redis = one_open_and_another(gateway)
        redis.kill()
        without = one_open_and_another(gateway)
        gateway.stop()

    assert with_redis == without == (429, 200)


def one_open_and_another(gateway: Gateway) -> tuple[int, int]:
    """How another call fares while one is open that may take nearly all of the minute, and once that has ended."""
    with ProviderStub() as stub, make_world(gateway, stub, policy=BOUNDS) as world:
        stub.will(pause_after=1)
        chunks = iter(world.stream(max_tokens=900))
        next(chunks)
        meanwhile = world.post(world.body(max_tokens=300)).status_code
        stub.go_on()
        list(chunks)
        return meanwhile, world.post(world.body(max_tokens=300)).status_code
