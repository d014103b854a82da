"""Too fast, or too many at once."""

import re

import openai
import pytest

from tests import factories
from tests.chat.world import make_world, wait_until
from tests.live import Gateway
from tests.provider_stub import ProviderStub

pytestmark = pytest.mark.usefixtures("committed_db")


def test_more_requests_a_minute_than_allowed_have_to_wait(gateway: Gateway, stub: ProviderStub) -> None:
    with make_world(gateway, stub, policy={"student_requests_per_minute": 3}) as world:
        statuses = [world.post().status_code for _ in range(3)]
        refused = world.post()

        assert statuses == [200, 200, 200]
        assert refused.status_code == 429
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        assert 0 < int(refused.headers["retry-after"]) <= 60
        assert refused.headers["x-ratelimit-remaining-requests"] == "0"


@pytest.mark.parametrize(
    ("scope", "sentence"),
    [("key", "This API key may make 2 requests"), ("course", "Your course may make 2 requests")],
)
def test_keys_and_courses_have_limits_of_their_own(
    gateway: Gateway, stub: ProviderStub, scope: str, sentence: str
) -> None:
    with make_world(gateway, stub, policy={f"{scope}_requests_per_minute": 2}) as world:
        others_key = factories.make_key(
            world.student if scope == "key" else factories.make_student(course=world.course)
        )
        admitted = [world.post().status_code for _ in range(2)]
        refused = world.post()
        other = world.post(key=others_key)

        assert admitted == [200, 200]
        assert refused.status_code == 429
        assert refused.json()["error"]["message"].startswith(sentence)
        assert other.status_code == (200 if scope == "key" else 429)


def test_the_headers_count_down(gateway: Gateway, stub: ProviderStub) -> None:
    with make_world(gateway, stub, policy={"student_requests_per_minute": 5}) as world:
        headers = [world.post().headers for _ in range(3)]

        assert [each["x-ratelimit-limit-requests"] for each in headers] == ["5"] * 3
        assert [each["x-ratelimit-remaining-requests"] for each in headers] == ["4", "3", "2"]


def test_refusals_for_other_reasons_carry_the_headers_too(gateway: Gateway, stub: ProviderStub) -> None:
    with make_world(gateway, stub, policy={"student_requests_per_minute": 5}, rules=[{}]) as world:
        refused = world.post(world.body("Solve my homework"))

        assert refused.status_code == 400
        assert refused.headers["x-ratelimit-remaining-requests"] == "4"
        assert refused.headers["x-quota-remaining-tokens"] == refused.headers["x-quota-limit-tokens"]


def test_the_tightest_allowance_goes_by_the_names_that_openai_uses(gateway: Gateway, stub: ProviderStub) -> None:
    with make_world(gateway, stub, policy={"weekly_tokens": 5000, "student_weekly_tokens": 9000}) as world:
        answered = world.post().headers
        stub.will(body=b"")
        failed = world.post().headers

        for headers in (answered, failed):
            assert headers["x-ratelimit-limit-tokens"] == "5000"
            assert headers["x-ratelimit-remaining-tokens"] == headers["x-quota-remaining-tokens"]
            assert re.fullmatch(
                r"\d{1,3}h\d{1,2}m[\d.]+s|\d{1,2}m[\d.]+s|[\d.]+m?s", headers["x-ratelimit-reset-tokens"]
            )


def test_a_used_up_week_says_so_by_the_same_names(gateway: Gateway, stub: ProviderStub) -> None:
    with make_world(gateway, stub, policy={"student_weekly_tokens": 10}) as world:
        refused = world.post()

        assert refused.json()["error"]["code"] == "insufficient_quota"
        assert refused.headers["x-ratelimit-limit-tokens"] == "10"
        assert "retry-after" not in refused.headers


def test_a_refusal_is_free_and_writes_no_record(gateway: Gateway, stub: ProviderStub) -> None:
    with make_world(gateway, stub, policy={"student_requests_per_minute": 1}) as world:
        world.post()
        before = world.usage()

        world.post()

        assert world.usage() == before
        assert len(world.calls()) == 1


def test_only_so_many_requests_may_be_open_at_once(gateway: Gateway, stub: ProviderStub) -> None:
    stub.will(pause_after=1)
    with make_world(gateway, stub, policy={"student_concurrent_requests": 1}) as world:
        chunks = iter(world.stream())
        next(chunks)

        with pytest.raises(openai.RateLimitError) as caught:
            world.ask()
        stub.go_on()
        list(chunks)

        assert caught.value.code == "rate_limit_exceeded"
        assert caught.value.response.headers["retry-after"] == "1"
        assert world.ask().choices


@pytest.mark.parametrize("limit", ["student_concurrent_requests", "course_concurrent_requests"])
def test_a_request_that_fails_gives_its_place_back(gateway: Gateway, stub: ProviderStub, limit: str) -> None:
    with make_world(gateway, stub, policy={limit: 1}, rules=[{}]) as world:
        unreadable = world.post(content=b"{")
        blocked = world.post(world.body("Solve my homework"))
        stub.will(body=b"")
        failed = world.post()

        assert [unreadable.status_code, blocked.status_code, failed.status_code] == [400, 400, 502]
        assert world.ask().choices


def test_a_client_that_leaves_gives_its_place_back(gateway: Gateway, stub: ProviderStub) -> None:
    stub.will(pause_after=1)
    with make_world(gateway, stub, policy={"student_concurrent_requests": 1}) as world:
        stream = world.stream()
        next(iter(stream))

        stream.close()

        assert wait_until(lambda: world.post().status_code == 200, what="A free place")


def test_who_asks_again_the_moment_an_answer_ends_is_not_told_to_wait(gateway: Gateway, stub: ProviderStub) -> None:
    with make_world(gateway, stub, policy={"student_concurrent_requests": 1}) as world:
        statuses = {world.post().status_code for _ in range(20)}

        assert statuses == {200}


def test_the_official_client_succeeds_after_the_wait(gateway: Gateway, stub: ProviderStub) -> None:
    stub.will(pause_after=1)
    with make_world(gateway, stub, policy={"student_concurrent_requests": 1}) as world:
        chunks = iter(world.stream())
        next(chunks)
        stub.go_on()

        answer = world.openai(max_retries=2).chat.completions.create(**world.body())

        assert answer.choices
