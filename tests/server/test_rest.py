"""A client that is told to come back later has its answer at once; what it asks before that waits."""

import asyncio
from typing import Any

from django.http import HttpResponse

from gateway_project.edge.messages import send_response


async def test_the_answer_is_whole_before_the_rest_begins() -> None:
    sent: list[dict[str, Any]] = []
    has_body = asyncio.Event()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if message.get("body"):
            has_body.set()

    sending = asyncio.create_task(send_response(HttpResponse(b"later"), "id", None, send, rest=3_600))
    await asyncio.wait_for(has_body.wait(), 30)

    assert (b"content-length", b"5") in sent[0]["headers"]
    assert sent[1] == {"type": "http.response.body", "body": b"later", "more_body": True}  # all that was announced
    assert not sending.done()  # so the server does not go on to the next request of this connection
    sending.cancel()


async def test_without_a_rest_the_answer_ends_at_once() -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await send_response(HttpResponse(b"now"), "id", None, send)

    assert sent[1:] == [{"type": "http.response.body", "body": b"now"}]
