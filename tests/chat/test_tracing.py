"""A trace goes on through us to the provider, and says nothing of the student."""

from tests.chat.world import World
from tests.provider_stub import ProviderStub

ID, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_the_provider_is_in_the_trace_of_the_client(world: World, stub: ProviderStub) -> None:
    headers = {"traceparent": f"00-{ID}-{SPAN}-01", "tracestate": "vendor=1"}

    world.openai().chat.completions.create(**world.body(), extra_headers=headers)

    (asked,) = stub.journal
    version, trace, span, flags = asked.headers["traceparent"].split("-")
    assert (version, trace, flags) == ("00", ID, "01")
    assert span != SPAN
    assert asked.headers["tracestate"] == "vendor=1"


def test_without_one_a_trace_begins(world: World, stub: ProviderStub) -> None:
    world.ask()
    world.openai().chat.completions.create(**world.body(), extra_headers={"traceparent": "x", "tracestate": "a=1"})

    first, second = (asked.headers["traceparent"] for asked in stub.journal)
    assert first[:36] != second[:36]
    assert "tracestate" not in stub.journal[1].headers


def test_what_fails_is_found_in_the_log_by_its_trace(world: World, stub: ProviderStub) -> None:
    trace = "00112233445566778899aabbccddeeff"
    stub.will(body=b"")

    response = world.post(headers={"authorization": f"Bearer {world.key}", "traceparent": f"00-{trace}-{SPAN}-01"})

    assert response.status_code == 502
    assert f"[trace {trace}]" in world.gateway.log.read_text()
