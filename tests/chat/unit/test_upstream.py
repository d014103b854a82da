"""Opening an upstream: what is sent, who is tried, and what becomes of a failure."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from apps.chat.dialects.openai_chat.request import upstream_body
from apps.chat.relay.upstream import open_first
from apps.common.errors import GatewayError
from apps.providers.adapters.protocol import Outgoing, Reason, UpstreamRefused
from apps.providers.catalogue import Secret, Target
from apps.providers.routing import Candidate
from tests.chat.unit.values import a_call, a_route, a_target

MESSAGES = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello"}]
SECRET_WORDS = "acct_secret"


class Accepted:
    """An upstream that has nothing to say."""

    provider_request_id = ""

    async def chunks(self) -> AsyncIterator[bytes]:
        yield b""

    def close(self) -> None:
        pass


class ScriptedAdapter:
    """Refuses for the reasons it was given, one for each call, and then accepts."""

    def __init__(self, *refusals: UpstreamRefused) -> None:
        self._refusals = list(refusals)
        self.tried: list[tuple[str, str]] = []
        self.sent: list[Outgoing] = []

    async def open(self, candidate: Candidate, outgoing: Outgoing) -> Accepted:
        self.tried.append((candidate.target.provider, candidate.secret.label if candidate.secret else ""))
        self.sent.append(outgoing)
        if self._refusals:
            raise self._refusals.pop(0)
        return Accepted()


def refusal(reason: Reason, **fields: Any) -> UpstreamRefused:
    return UpstreamRefused(reason, detail=SECRET_WORDS, **fields)


def targets(count: int) -> tuple[Target, ...]:
    """Targets one behind the other: first, second and so on."""
    names = ["first", "second", "third"][:count]
    return tuple(a_target(provider=name, priority=priority) for priority, name in enumerate(names))


async def failure_of(*refusals: UpstreamRefused, count: int | None = None) -> GatewayError:
    """What a student is told when the candidates refuse like this."""
    call = a_call(route=a_route(*targets(len(refusals) if count is None else count)))
    with pytest.raises(GatewayError) as caught:
        await open_first(call, {"openai": ScriptedAdapter(*refusals)}, output=10, guidance=())
    return caught.value


# What is sent


def body_of(body: dict[str, Any], **options: Any) -> dict[str, Any]:
    """What goes out for a body."""
    defaults = {"output": 50, "output_cap": "max_tokens", "is_stream": False, "guidance": ()}
    whole = {"model": "model", "messages": MESSAGES, **body}
    return upstream_body(whole, model="upstream-model", **{**defaults, **options})


def test_model_and_cap_are_replaced_and_nothing_else() -> None:
    other = {"temperature": 0.5, "novelty": {"deep": [None]}, "tools": [], "user": "ada", "n": 2, "stream": False}

    assert body_of(other) == {"model": "upstream-model", "messages": MESSAGES, "max_tokens": 50, **other}


@pytest.mark.parametrize(
    ("named", "output_cap", "sent"),
    [
        ({}, "max_tokens", {"max_tokens": 50}),
        ({}, "max_completion_tokens", {"max_completion_tokens": 50}),
        ({"max_tokens": 20}, "max_completion_tokens", {"max_tokens": 20}),
        ({"max_tokens": 80}, "max_tokens", {"max_tokens": 50}),
        ({"max_completion_tokens": 20}, "max_tokens", {"max_completion_tokens": 20}),
        ({"max_completion_tokens": 80}, "max_tokens", {"max_completion_tokens": 50}),
        (
            {"max_tokens": 20, "max_completion_tokens": 80},
            "max_tokens",
            {"max_tokens": 20, "max_completion_tokens": 50},
        ),
        ({"max_tokens": None}, "max_tokens", {"max_tokens": 50}),
    ],
)
def test_the_answer_is_capped_by_what_was_reserved(
    named: dict[str, Any], output_cap: str, sent: dict[str, int]
) -> None:
    body = body_of(named, output_cap=output_cap)

    assert {key: value for key, value in body.items() if key.startswith("max_")} == sent


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ({}, {"include_usage": True}),
        ({"stream_options": None}, {"include_usage": True}),
        ({"stream_options": {"include_usage": False}}, {"include_usage": True}),
        ({"stream_options": {"include_obfuscation": False}}, {"include_obfuscation": False, "include_usage": True}),
    ],
)
def test_a_stream_always_asks_for_usage(options: dict[str, Any], sent: dict[str, bool]) -> None:
    assert body_of({"stream": True, **options}, is_stream=True)["stream_options"] == sent


def test_a_plain_call_has_no_stream_options() -> None:
    assert "stream_options" not in body_of({})


def test_guidance_is_added_to_the_messages() -> None:
    body = body_of({}, guidance=("Give hints only.",))

    assert body["messages"] == [MESSAGES[0], {"role": "system", "content": "Give hints only."}, MESSAGES[1]]


def test_the_call_s_own_body_is_left_alone() -> None:
    body = {"model": "model", "messages": list(MESSAGES), "max_tokens": 80, "stream_options": {}}

    body_of(body, is_stream=True, guidance=("Give hints only.",))

    assert body == {"model": "model", "messages": MESSAGES, "max_tokens": 80, "stream_options": {}}


# Who is tried


async def test_the_first_who_accepts_is_the_last_who_is_asked() -> None:
    adapter = ScriptedAdapter(refusal("error"), refusal("rate"))
    call = a_call(route=a_route(*targets(3)))

    opened = await open_first(call, {"openai": adapter}, output=10, guidance=())

    assert [provider for provider, _ in adapter.tried] == ["first", "second", "third"]
    assert (opened.candidate.target.provider, opened.attempts) == ("third", 3)


ELSEWHERE: list[Reason] = ["unreachable", "too_slow", "broken", "credential", "rate", "error"]


@pytest.mark.parametrize("reason", ELSEWHERE)
async def test_what_another_may_do_better_is_tried_elsewhere(reason: Reason) -> None:
    adapter = ScriptedAdapter(refusal(reason))

    opened = await open_first(a_call(route=a_route(*targets(2))), {"openai": adapter}, output=10, guidance=())

    assert opened.candidate.target.provider == "second"


async def test_a_request_that_is_wrong_is_wrong_everywhere() -> None:
    adapter = ScriptedAdapter(refusal("request", status=400))

    with pytest.raises(GatewayError):
        await open_first(a_call(route=a_route(*targets(2))), {"openai": adapter}, output=10, guidance=())

    assert len(adapter.tried) == 1


async def test_another_credential_is_tried_before_another_provider() -> None:
    both = tuple(Secret(id=1, label=label, text="s", weight=1) for label in ("a", "b"))
    first, second = a_target(provider="first", secrets=both), a_target(provider="second", priority=1)
    adapter = ScriptedAdapter(refusal("credential"), refusal("credential"))

    await open_first(a_call(route=a_route(first, second)), {"openai": adapter}, output=10, guidance=())

    assert [provider for provider, _ in adapter.tried] == ["first", "first", "second"]
    assert {label for _, label in adapter.tried[:2]} == {"a", "b"}


async def test_every_candidate_gets_its_own_model_name_and_its_own_adapter() -> None:
    first = a_target(provider="first", adapter="openai", upstream_model="one")
    second = a_target(provider="second", adapter="echo", upstream_model="two", priority=1)
    openai, echo = ScriptedAdapter(refusal("error")), ScriptedAdapter()

    await open_first(a_call(route=a_route(first, second)), {"openai": openai, "echo": echo}, output=10, guidance=())

    assert (openai.sent[0].body["model"], echo.sent[0].body["model"]) == ("one", "two")


@pytest.mark.parametrize("is_stream", [True, False])
async def test_the_adapter_learns_the_request_id_and_the_form(is_stream: bool) -> None:
    adapter = ScriptedAdapter()

    await open_first(a_call(route=a_route(a_target()), is_stream=is_stream), {"openai": adapter}, output=1, guidance=())

    assert (adapter.sent[0].request_id, adapter.sent[0].is_stream) == ("call", is_stream)


# What becomes of a failure

UPSTREAM: list[tuple[list[Reason], int, str]] = [
    (["unreachable"], 502, "upstream_error"),
    (["broken"], 502, "upstream_error"),
    (["rate"], 502, "upstream_error"),
    (["error"], 502, "upstream_error"),
    (["too_slow"], 504, "upstream_timeout"),
    (["error", "too_slow"], 504, "upstream_timeout"),
    (["too_slow", "error"], 502, "upstream_error"),
    (["credential"], 502, "upstream_credentials_exhausted"),
    (["credential", "credential"], 502, "upstream_credentials_exhausted"),
    (["credential", "error"], 502, "upstream_error"),
    (["error", "credential"], 502, "upstream_error"),
]


@pytest.mark.parametrize(("reasons", "status", "code"), UPSTREAM, ids=["+".join(case[0]) for case in UPSTREAM])
async def test_when_all_refuse_the_student_learns_a_code_of_ours(reasons: list[Reason], status: int, code: str) -> None:
    error = await failure_of(*map(refusal, reasons))

    assert (error.status, error.code, error.charged) == (status, code, 0)
    assert SECRET_WORDS.encode() not in error.json(request_id="r")


async def test_without_any_candidate_the_student_is_told_to_choose_another_model() -> None:
    error = await failure_of(count=0)

    assert (error.status, error.code) == (503, "no_provider")


REQUEST: list[tuple[dict[str, Any], str, str | None]] = [
    ({"status": 400}, "refused_by_provider", None),
    ({"status": 400, "code": "context_length_exceeded"}, "context_length_exceeded", None),
    ({"status": 422, "code": "bad", "param": "tools[0]"}, "bad", "tools[0]"),
    ({"status": 413, "param": "messages"}, "refused_by_provider", "messages"),
]


@pytest.mark.parametrize(("fields", "code", "param"), REQUEST)
async def test_a_request_at_fault_is_the_student_s_to_mend(
    fields: dict[str, Any], code: str, param: str | None
) -> None:
    error = await failure_of(refusal("request", **fields))

    assert (error.status, error.code, error.param, error.who) == (400, code, param, "you")
    assert SECRET_WORDS.encode() not in error.json(request_id="r")


async def test_a_model_that_the_provider_does_not_know_is_not_the_student_s_fault() -> None:
    error = await failure_of(refusal("request", status=404, code="model_not_found"))

    assert (error.status, error.code, error.who) == (502, "upstream_error", "operator")
