"""Bodies as clients send them: compressed, marked, with large images and deep schemas."""

import gzip
import json
import zlib
from base64 import b64encode
from typing import Any

import pytest

from tests.chat.world import World, make_world
from tests.live import Gateway
from tests.provider_stub import ProviderStub

GOOD = 200


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


PACKERS = {"gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress, "Deflate": raw_deflate}


def test_a_compressed_body_is_read(world: World, stub: ProviderStub) -> None:
    for coding, pack in PACKERS.items():
        headers = {"authorization": f"Bearer {world.key}", "content-encoding": coding}

        response = world.post(content=pack(json.dumps(world.body(f"As {coding}")).encode()), headers=headers)

        assert response.status_code == GOOD, response.text
        assert stub.last.messages[-1]["content"] == f"As {coding}"
        assert "content-encoding" not in stub.last.headers


def test_a_byte_order_mark_does_no_harm(world: World, stub: ProviderStub) -> None:
    response = world.post(content=json.dumps(world.body("Größe"), ensure_ascii=False).encode("utf-8-sig"))

    assert response.status_code == GOOD
    assert stub.last.messages[-1]["content"] == "Größe"


def test_an_image_of_twenty_megabytes_is_passed_on(committed_db: None, gateway: Gateway, stub: ProviderStub) -> None:
    """Also where rules look at it, which takes longer than a prompt may take."""
    url = f"data:image/jpeg;base64,{b64encode(bytes(20 * 10**6)).decode()}"
    with make_world(gateway, stub, rules=[{"pattern": "forbidden"}]) as world:
        response = world.post(world.body([{"type": "image_url", "image_url": {"url": url}}]))

    assert response.status_code == GOOD, response.text
    assert stub.last.messages[0]["content"][0]["image_url"]["url"] == url


def schema(depth: int) -> dict[str, Any]:
    """A JSON schema of so many objects, one in another, with the levels that each has."""
    inner: dict[str, Any] = {"type": "string", "description": "The innermost"}
    for _ in range(depth):
        inner = {"type": "object", "properties": {"a": inner}}
    return inner


@pytest.mark.parametrize("place", ["tools", "response_format"])
def test_a_schema_of_ninety_objects_is_passed_on(world: World, stub: ProviderStub, place: str) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": schema(90)}}
    wanted = {"type": "json_schema", "json_schema": {"name": "f", "schema": schema(90)}}
    value: Any = [tool] if place == "tools" else wanted

    response = world.post(world.body(**{place: value}))

    assert response.status_code == GOOD, response.text
    assert stub.last.body[place] == value
