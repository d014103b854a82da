"""Answers to a student are for that student alone: no cache keeps one, no browser takes it for something else."""

from typing import Any

import httpx
import pytest

from tests.chat.world import World

ANSWERS: dict[str, Any] = {
    "models": lambda world: world.get("/v1/models"),
    "usage": lambda world: world.get("/v1/usage"),
    "a plain answer": lambda world: world.post(),
    "a stream": lambda world: world.post(world.body(stream=True)),
    "no key": lambda world: httpx.get(f"{world.gateway.base_url}/v1/models"),
    "no such path": lambda world: world.get("/v1/none"),
    "no such model": lambda world: world.post({**world.body(), "model": "none"}),
    "a broken body": lambda world: world.post(content=b"{"),
    "a wrong base URL": lambda world: world.get("/chat/completions"),
    "a head that is too long": lambda world: httpx.get(f"{world.gateway.base_url}/v1/models?{'a' * 9_000}"),
}


@pytest.mark.parametrize("ask", ANSWERS.values(), ids=ANSWERS.keys())
def test_it_is_kept_nowhere_and_taken_for_nothing_else(world: World, ask: Any) -> None:
    headers = ask(world).headers

    assert headers.get_list("cache-control") == ["no-store"]
    assert headers.get_list("x-content-type-options") == ["nosniff"]
