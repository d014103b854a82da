"""Every surface, plain and streamed, under every action in every stage: no rule is ever skipped.

A text that the schema of a dialect names, or an address that takes prompts, fails here until it is looked at like all
others.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from apps.chat.dialects import DIALECTS
from apps.chat.dialects.openai_chat.schema import CHAT_PARTS, CHAT_SCHEMA
from apps.conversations.models import RuleHit
from tests.chat.paths import kind_of
from tests.chat.surfaces import ANSWERS, FIXED, MORE, NEEDLE, OF_THE_CALLER, PROMPTS, cut_into_deltas
from tests.chat.world import World, create_world, wait_until
from tests.live import Gateway
from tests.openapi import text_of
from tests.provider_stub import ProviderStub

GUIDANCE = "Give hints only."
RULE = {"pattern": "EXAM-[0-9]{4}", "message": "Not that.", "replacement": "[code]", "guidance": GUIDANCE}
CHAT = DIALECTS["/chat/completions"]
STAGES = ("observe", "warn", "enforce")


@pytest.fixture(scope="module")
def made(
    django_db_setup: None, django_db_blocker: Any, gateway: Gateway
) -> Iterator[dict[tuple[str, str, str], tuple[World, ProviderStub]]]:
    """A course for each direction, action and stage, with one rule."""
    made: dict[tuple[str, str, str], tuple[World, ProviderStub]] = {}
    pairs = [("prompt", a) for a in ("block", "redact", "flag", "guide")]
    pairs += [("answer", a) for a in ("block", "redact", "flag")]
    stubs = {(d, a, s): ProviderStub() for d, a in pairs for s in STAGES}
    with contextlib.ExitStack() as stack, django_db_blocker.unblock():
        for (direction, action, stage), stub in stubs.items():
            stack.enter_context(stub)
            rule = {**RULE, "direction": direction, "action": action, "stage": stage}
            world = stack.enter_context(create_world(gateway, stub, rules=[rule]))
            made[direction, action, stage] = world, stub
        world.wait_until_seen()
        yield made


@pytest.fixture
def cells(committed_db: None, made: Any) -> Any:
    return made


# The matrix is full

MATRICES = {"/chat/completions": (PROMPTS, ANSWERS)}


def test_every_dialect_has_its_matrix() -> None:
    assert set(MATRICES) == set(DIALECTS)


@pytest.mark.parametrize("kind", PROMPTS)
def test_a_dialect_gives_every_text_of_a_prompt(kind: str) -> None:
    body = {"model": "m", **PROMPTS[kind]}

    found = {kind_of(field.path) for field in CHAT.fields(body) if NEEDLE in field.text}

    beginning = kind.removesuffix("*").removesuffix(".")
    assert any(one.startswith(beginning) for one in found), found


def test_every_text_that_the_schema_names_is_in_the_matrix() -> None:
    assert set(_texts_of(CHAT_SCHEMA, "")) - {"model"} <= set(PROMPTS)


def _texts_of(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    """The paths of everything that may be a text and is no name of a kind."""
    if "$ref" in schema:
        yield from _texts_of(CHAT_PARTS[schema["$ref"].rpartition("/")[2]], path)
    for one in schema.get("anyOf", ()):
        yield from _texts_of(one, path)
    if "items" in schema:
        yield from _texts_of(schema["items"], f"{path}[]")
    for name, inner in schema.get("properties", {}).items():
        yield from _texts_of(inner, f"{path}.{name}" if path else name)
    if schema.get("type") == "string" and "enum" not in schema and not path.endswith(".type"):
        yield path


# Addresses of the student API to which nothing is sent that a model gets to read.
NOT_FOR_MODELS = {"/rules/appeals", "/usage/requests"}


def test_every_address_that_takes_a_prompt_has_a_dialect() -> None:
    paths = json.loads(text_of("student"))["paths"]

    addresses = {path.removeprefix("/v1") for path, operations in paths.items() if "post" in operations}

    assert addresses - NOT_FOR_MODELS == set(DIALECTS)


# Prompts


def complaint_of_prompt(response: httpx.Response, stub: ProviderStub, action: str, stage: str, *, kind: str) -> str:
    """What is wrong with an answer to a prompt in which the rule was found, or nothing."""
    headers = response.headers
    refuses = stage == "enforce" and (action == "block" or (action == "redact" and kind in FIXED))
    if response.status_code != (400 if refuses else 200):
        return f"{response.status_code} {response.text[:200]}"
    if ("x-gateway-rules" in headers) != (stage != "observe"):
        return f"headers {dict(headers)}"
    if refuses:
        return "it was sent" if stub.journal else ""
    if ("x-gateway-notice" in headers) != (
        stage == "warn" or (stage, action) == ("enforce", "flag") or redacts(action, stage)
    ):
        return f"notice {headers.get('x-gateway-notice')}"
    sent = stub.last.raw.decode()
    if kind in OF_THE_CALLER:
        return "" if NEEDLE not in sent and "[code]" not in sent else f"sent {sent}"
    if redacts(action, stage):
        return "" if "[code]" in sent and "EXAM-1" not in sent and "1234" not in sent else f"sent {sent}"
    guided = sum(message.get("content") == GUIDANCE for message in stub.last.messages)
    return "" if guided == (action == "guide" and stage == "enforce") else f"guided {guided} times"


def redacts(action: str, stage: str) -> bool:
    return (action, stage) == ("redact", "enforce")


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("action", ["block", "redact", "flag", "guide"])
def test_a_rule_for_prompts_works_on_every_surface(cells: Any, action: str, stage: str) -> None:
    world, stub = cells["prompt", action, stage]
    wrong = []

    for kind, fields in {**PROMPTS, **MORE}.items():
        for is_stream in (False, True):
            stub.journal.clear()
            response = world.post({"model": world.model.name, "stream": is_stream, **fields})
            if complaint := complaint_of_prompt(response, stub, action, stage, kind=kind):
                wrong.append(f"{kind}, {'streamed' if is_stream else 'plain'}: {complaint}")

    asked = 2 * len({**PROMPTS, **MORE})
    assert wrong == []
    assert len(world.calls()) == asked
    assert RuleHit.objects.filter(call__course=world.course).values("call").distinct().count() == asked


# Answers


def complaint_of_answer(response: httpx.Response, action: str, stage: str, *, is_stream: bool) -> str:
    raw = response.text
    if stage != "enforce" or action == "flag":
        return "" if response.status_code == 200 and (is_stream or "1234" in raw) else raw[:300]
    if "1234" in raw.replace('"4"', ""):
        return f"let out: {raw[:300]}"
    if action == "redact":
        is_whole = response.status_code == 200 and "[code]" in raw and raw.endswith("[DONE]\n\n") == is_stream
        return "" if is_whole else raw[:300]
    last = raw.removesuffix("\n\n").rpartition("data: ")[2] if is_stream else raw
    error = json.loads(last).get("error", {})
    if "[DONE]" in raw or '"finish_reason":"' in raw or '"finish_reason": "' in raw:
        return f"a clean end: {raw[-300:]}"
    is_charged = error.get("charged", 0) > 0 and error.get("message") == "Not that."
    return "" if is_charged and error.get("code") == "blocked_by_rule" else raw[-300:]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("action", ["block", "redact", "flag"])
def test_a_rule_for_answers_works_on_every_surface(cells: Any, action: str, stage: str) -> None:
    world, stub = cells["answer", action, stage]
    wrong = []

    for kind, message in ANSWERS.items():
        for is_stream in (False, True):
            stub.will(message=message, deltas=cut_into_deltas(message))
            response = world.post(world.body(stream=is_stream))
            if complaint := complaint_of_answer(response, action, stage, is_stream=is_stream):
                wrong.append(f"{kind}, {'streamed' if is_stream else 'plain'}: {complaint}")

    asked = 2 * len(ANSWERS)
    found = RuleHit.objects.filter(call__course=world.course, direction="answer")
    assert wrong == []
    assert len(wait_until(lambda: len(calls := world.calls()) == asked and calls)) == asked
    assert found.values("call").distinct().count() == asked
