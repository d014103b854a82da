"""A plain answer."""

from tests.chat.world import World, make_world
from tests.live import Gateway
from tests.provider_stub import ProviderStub

TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}]
TOOL_CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}


def test_the_provider_s_answer_comes_back(world: World) -> None:
    answer = world.ask()

    assert answer.choices[0].message.content == "Hello from the provider stub."
    assert answer.choices[0].finish_reason == "stop"


def test_the_reported_usage_comes_back_and_is_charged(world: World) -> None:
    answer = world.ask("one two three")

    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, 5)
    assert world.usage()["used"] == 8


def test_the_call_is_written_down_before_the_answer_has_ended(world: World) -> None:
    answer = world.ask("one two three")

    (call,) = world.calls()
    assert call.id == answer._request_id
    assert (call.status, call.charged, call.input_tokens, call.output_tokens) == ("answered", 8, 3, 5)
    assert (call.provider, call.model) == (world.providers[0].name, world.model.name)


def test_the_provider_gets_the_request_with_our_secret_and_its_own_name_of_the_model(
    world: World, stub: ProviderStub
) -> None:
    world.ask("Hi", temperature=0.5, extra_body={"novelty": {"deep": [1, None]}})

    assert stub.last.body["messages"] == [{"role": "user", "content": "Hi"}]
    assert stub.last.body["model"] == world.model.name
    assert (stub.last.body["temperature"], stub.last.body["novelty"]) == (0.5, {"deep": [1, None]})
    assert stub.last.headers["authorization"] == "Bearer provider-secret"


def test_nothing_of_the_student_s_key_or_client_reaches_the_provider(world: World, stub: ProviderStub) -> None:
    world.ask()

    assert world.key not in str(stub.last.headers)
    assert not [name for name in stub.last.headers if name.startswith("x-stainless") or name == "cookie"]
    assert "python" not in stub.last.headers["user-agent"].lower()


def test_the_answer_is_capped_at_what_is_held(world: World, stub: ProviderStub) -> None:
    world.ask(max_tokens=100)
    asked = stub.last.body["max_tokens"]
    world.ask()

    assert asked == 100
    assert 0 < stub.last.body["max_tokens"] <= 4096


def test_the_cap_leaves_under_the_provider_s_name(world: World, stub: ProviderStub) -> None:
    world.ask(max_completion_tokens=70)

    assert stub.last.body["max_tokens"] == 70
    assert "max_completion_tokens" not in stub.last.body


def test_no_provider_learns_who_asks(world: World, stub: ProviderStub) -> None:
    world.ask(user="ada@example.edu", metadata={"student": "ada"})
    first = stub.last.body["user"]
    world.ask(user="another name")

    assert len(first) == 32 and stub.last.body["user"] == first
    assert b"ada" not in first.encode() and "metadata" not in stub.last.body


def test_tool_calls_pass_both_ways(world: World, stub: ProviderStub) -> None:
    stub.will(tool_calls=[TOOL_CALL])

    answer = world.ask(tools=TOOLS)

    assert stub.last.body["tools"] == TOOLS
    assert answer.choices[0].finish_reason == "tool_calls"
    assert answer.choices[0].message.tool_calls is not None
    assert answer.choices[0].message.tool_calls[0].id == "call_1"


def test_several_choices_are_held_for_several_times(world: World, stub: ProviderStub) -> None:
    world.ask(n=3, max_tokens=1000)

    (hold,) = world.holds()
    assert hold.amount >= 3000


def test_text_outside_ascii_survives_the_way_there_and_back(world: World, stub: ProviderStub) -> None:
    stub.will(text="Rekursio 👋 on 漢字")

    answer = world.ask("Mitä on ‘rekursio’? 🐢")

    assert stub.last.messages[0]["content"] == "Mitä on ‘rekursio’? 🐢"
    assert answer.choices[0].message.content == "Rekursio 👋 on 漢字"


def test_without_reported_usage_the_estimate_is_charged_and_marked(world: World, stub: ProviderStub) -> None:
    stub.will(no_usage=True)

    world.ask()

    assert world.usage()["used"] > 0
    assert world.call().is_estimated


def test_weights_decide_what_a_token_counts(committed_db: None, gateway: Gateway, stub: ProviderStub) -> None:
    details = {"cached_tokens": 40}
    stub.will(usage={"prompt_tokens": 100, "completion_tokens": 10, "prompt_tokens_details": details})
    weights = {"input_weight": 2, "cached_input_weight": "0.5", "output_weight": 10}

    with make_world(gateway, stub, model=weights) as world:
        world.ask()

        assert world.usage()["used"] == 60 * 2 + 20 + 10 * 10


def test_headers_of_the_provider_stay_with_us(world: World, stub: ProviderStub) -> None:
    headers = {"set-cookie": "a=b", "openai-organization": "our-org", "x-ratelimit-remaining-requests": "7"}
    stub.will(headers=headers)

    answer = world.post()

    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert "our-org" not in str(answer.headers)
    assert answer.headers.get("x-ratelimit-remaining-requests") != "7"


def test_headers_tell_who_answered_and_how_the_week_stands(world: World) -> None:
    headers = world.post().headers

    usage = world.usage()
    assert headers["x-gateway-provider"] == world.providers[0].name
    assert int(headers["x-quota-limit-tokens"]) == usage["limit"]
    assert int(headers["x-quota-remaining-tokens"]) <= usage["limit"]
    assert headers["x-quota-reset"] == usage["week"]["resets_at"]
    assert headers["x-request-id"]
