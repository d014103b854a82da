"""When a provider fails before its answer begins, the next one answers. `test_outcomes.py` has all ways to fail."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.chat.pool import Ready, WorldPool
from tests.chat.world import World, make_world, text_of
from tests.live import Gateway
from tests.provider_stub import ProviderStub

SECRET_WORDS = "acct_secret"
KEY = "sk_live_4711"  # which could pass for an identifier


class Fallback:
    """Two providers, of which the first is to fail."""

    def __init__(self, world: World, first: ProviderStub, second: ProviderStub) -> None:
        self.world, self.first, self.second = world, first, second


@pytest.fixture(scope="module")
def pool(gateway: Gateway) -> Iterator[WorldPool]:
    with WorldPool(gateway, providers=2, provider={"secret": KEY}, batch=16) as pool:
        yield pool


@pytest.fixture
def fallback(ready: Ready) -> Fallback:
    first, second = ready.stubs
    second.always(text="Answered by the second.")
    return Fallback(ready.world, first, second)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_the_second_provider_answers(fallback: Fallback, stream: bool) -> None:
    fallback.first.always(status=500)
    client = fallback.world.openai()

    raw = client.chat.completions.with_raw_response.create(**fallback.world.body(stream=stream))

    answer: Any = raw.parse()
    text = text_of(list(answer)) if stream else answer.choices[0].message.content
    assert text == "Answered by the second."
    assert raw.headers["x-gateway-provider"] == fallback.world.providers[1].name
    assert raw.headers["x-gateway-attempts"] == "2"
    assert len(fallback.first.journal) == len(fallback.second.journal) == 1


def test_a_provider_that_is_not_there_is_passed_over(committed_db: None, gateway: Gateway, stub: ProviderStub) -> None:
    with ProviderStub() as gone:
        pass
    with make_world(gateway, gone, stub) as world:
        response = world.post()

        assert response.status_code == 200
        assert response.headers["x-gateway-provider"] == world.providers[1].name


def test_only_the_answer_is_charged(fallback: Fallback) -> None:
    fallback.first.always(status=500)

    fallback.world.ask("one two three")

    call = fallback.world.call()
    assert (call.attempts, call.provider, call.charged) == (2, fallback.world.providers[1].name, 3 + 4)
    assert len(fallback.world.holds()) == 1


def test_every_attempt_is_written_down_if_the_first_was_not_the_last(fallback: Fallback) -> None:
    fallback.first.will(status=429, headers={"retry-after": "3600"})

    fallback.world.ask()
    fallback.world.ask()

    first, second = fallback.world.calls()
    attempts = first.made_attempts.values_list("number", "provider", "outcome", "status")
    names = [provider.name for provider in fallback.world.providers]
    assert list(attempts) == [(1, names[0], "rate", 429), (2, names[1], "answered", 200)]
    assert (second.attempts, second.made_attempts.count()) == (1, 0)


def test_attempts_of_a_call_that_failed_are_written_down(fallback: Fallback) -> None:
    for stub in (fallback.first, fallback.second):
        stub.always(status=401)

    fallback.world.post()

    call = fallback.world.call()
    assert (call.attempts, [attempt.outcome for attempt in call.made_attempts.all()]) == (2, ["credential"] * 2)


def test_one_refusal_of_what_we_add_is_enough(fallback: Fallback) -> None:
    said = {"error": {"param": "stream_options", "code": "unknown_parameter", "message": "Unknown parameter"}}
    fallback.first.will(status=422, body=json.dumps(said).encode())

    for _ in range(2):
        assert text_of(list(fallback.world.stream()))

    assert ["stream_options" in asked.body for asked in fallback.first.journal] == [True, False, False]
    assert fallback.second.journal == []


def test_a_good_first_provider_is_the_only_one_asked(fallback: Fallback) -> None:
    fallback.world.ask()

    assert fallback.second.journal == []


def test_an_error_that_quotes_our_key_is_not_passed_on(fallback: Fallback, gateway: Gateway) -> None:
    fallback.first.will(status=400, body=json.dumps({"error": {"code": f"of_{KEY}", "param": KEY}}).encode())

    response = fallback.world.post(fallback.world.body())

    assert (response.status_code, response.json()["error"]["code"]) == (400, "refused_by_provider")
    assert KEY not in response.text
    assert KEY not in gateway.log.read_text()


def test_a_request_that_is_itself_wrong_is_not_sent_elsewhere(fallback: Fallback) -> None:
    error = {"code": "invalid_value", "param": "messages", "message": SECRET_WORDS, "type": "x"}
    fallback.first.will(status=400, body=json.dumps({"error": error}).encode())

    with pytest.raises(openai.BadRequestError) as caught:
        fallback.world.ask()

    assert (caught.value.code, caught.value.param) == ("invalid_value", "messages")
    assert SECRET_WORDS not in caught.value.response.text
    assert fallback.second.journal == []
    assert fallback.world.usage()["used"] == 0


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_when_all_fail_the_student_learns_that_and_no_provider_s_words(fallback: Fallback, stream: bool) -> None:
    fallback.first.always(status=500)
    fallback.second.always(status=500)

    response = fallback.world.post(fallback.world.body(stream=stream))

    assert (response.status_code, response.json()["error"]["code"]) == (502, "upstream_error")
    assert SECRET_WORDS not in response.text
    assert "set-cookie" not in response.headers
    assert [len(stub.journal) for stub in (fallback.first, fallback.second)] == [2, 1]


@pytest.mark.parametrize(("told", "after", "is_repeated"), [("37", (37, 41), True), ("3600", (300, 330), False)])
def test_when_all_are_at_their_limit_the_student_learns_how_long_and_nobody_is_asked_before(
    fallback: Fallback, told: str, after: tuple[int, int], is_repeated: bool
) -> None:
    for stub in (fallback.first, fallback.second):
        stub.always(status=429, headers={"retry-after": told})

    responses = [fallback.world.post() for _ in range(3)]

    for response in responses:
        assert (response.status_code, response.json()["error"]["code"]) == (503, "upstream_rate_limited")
        assert after[0] - 1 <= int(response.headers["retry-after"]) <= after[1]
        assert (response.headers.get("x-should-retry") != "false") is is_repeated
    assert len(fallback.first.journal) == len(fallback.second.journal) == 1


def test_when_no_credential_is_accepted_clients_do_not_repeat_it(fallback: Fallback) -> None:
    fallback.first.always(status=401)
    fallback.second.always(status=402)

    with pytest.raises(openai.InternalServerError) as caught:
        fallback.world.openai(max_retries=2).chat.completions.create(**fallback.world.body())

    assert caught.value.code == "upstream_credentials_exhausted"
    assert len(fallback.first.journal) == 1


def test_what_is_too_long_is_told_in_words_of_our_own(fallback: Fallback) -> None:
    said = {"object": "error", "message": f"{SECRET_WORDS}: over the maximum context length of 8192", "code": 400}
    for stub in (fallback.first, fallback.second):
        stub.always(status=400, body=json.dumps(said).encode())

    with pytest.raises(openai.BadRequestError) as caught:
        fallback.world.ask()

    assert caught.value.code == "context_length_exceeded"
    assert "maximum context length" in caught.value.message
    assert SECRET_WORDS not in caught.value.message
    assert len(fallback.second.journal) == 1  # nobody has set its size: it may be larger


def test_when_all_fail_nothing_is_charged_and_nothing_stays_held(fallback: Fallback) -> None:
    fallback.first.always(status=500)
    fallback.second.always(status=500)
    before = fallback.world.usage()

    fallback.world.post()

    after = fallback.world.usage()
    assert {**after, "entries": []} == before
    assert [entry["kind"] for entry in after["entries"]] == ["release", "hold"]
    assert [hold.state for hold in fallback.world.holds()] == ["released"]
    assert fallback.world.call().status == "failed"


def test_a_model_without_a_provider_says_so(committed_db: None, gateway: Gateway) -> None:
    with make_world(gateway) as world:
        response = world.post()

        assert response.status_code == 503
        assert response.json()["error"]["code"] == "no_provider"
