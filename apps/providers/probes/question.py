"""Asks a deployment one question, with the settings and the key with which it gets the calls of students.

This is no call of a student: no rule looks at it, no allowance pays for it, and nothing of it is recorded.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from apps.common.guarded import guarded_client
from apps.common.ids import new_id
from apps.providers.adapters.echo import EchoAdapter
from apps.providers.adapters.protocol import Outgoing
from apps.providers.catalogue import Secret, Target
from apps.providers.failures import refusal_in, refusal_of
from apps.providers.failures.reasons import UpstreamRefused
from apps.providers.health.words import in_words
from apps.providers.probes.findings import of_error
from apps.providers.routing import Candidate

SECONDS = 30.0  # for the whole answer, connecting included
MOST_TOKENS = 400  # of an answer; a model that thinks first uses most of them for that
MOST_BYTES = 256 * 1024
LONGEST_TEXT = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialAnswer:
    """What came back: a text, or in `trouble` why there is none."""

    text: str = ""
    trouble: str = ""
    milliseconds: int = 0


def put(question: str, target: Target) -> TrialAnswer:
    """Never raises for what a provider does. Takes no longer than SECONDS."""
    secret = target.secrets[0] if target.secrets else None
    began = time.perf_counter()
    text, trouble = asyncio.run(_put(question, target, secret))
    if secret is not None and secret.text in text:
        text = ""
        trouble = "The answer quotes the key, so it is not shown."
    return TrialAnswer(
        text=text[:LONGEST_TEXT], trouble=trouble, milliseconds=round((time.perf_counter() - began) * 1000)
    )


async def _put(question: str, target: Target, secret: Secret | None) -> tuple[str, str]:
    body: dict[str, Any] = {
        "model": target.upstream_model,
        "messages": [{"role": "user", "content": question}],
        target.output_cap: MOST_TOKENS,
    }
    try:
        async with asyncio.timeout(SECONDS):
            answer = await (_echoed(body, target) if target.adapter == "echo" else _asked(body, target, secret))
    except UpstreamRefused as refused:
        return "", in_words(refused.reason, refused.detail, secret=secret.text if secret else "") or REFUSED
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        return "", of_error(error, url=target.base_url, seconds=SECONDS).sentence
    return _read(answer)


REFUSED = "The provider refused the question as it was sent."


async def _asked(body: dict[str, Any], target: Target, secret: Secret | None) -> bytes:
    async with guarded_client(allow_private=target.allow_private, seconds=SECONDS) as client:
        url = f"{target.base_url}/chat/completions"
        async with client.stream("POST", url, content=orjson.dumps(body), headers=_headers(target, secret)) as response:
            answer = await _beginning(response)
    if response.status_code != 200:
        raise refusal_of(response.status_code, response.headers, answer)
    return answer


async def _beginning(response: httpx.Response) -> bytes:
    parts: list[bytes] = []
    async for block in response.aiter_raw():
        parts.append(block)
        if sum(map(len, parts)) >= MOST_BYTES:
            break
    return b"".join(parts)


async def _echoed(body: dict[str, Any], target: Target) -> bytes:
    outgoing = Outgoing(dialect="openai_chat", body=body, is_stream=False, request_id=new_id())
    upstream = await EchoAdapter().open(Candidate(target, None), outgoing)
    return b"".join([block async for block in upstream.chunks()])


def _headers(target: Target, secret: Secret | None) -> dict[str, str]:
    own = {"content-type": "application/json", "accept": "application/json", "accept-encoding": "identity"}
    authorization = {"authorization": f"Bearer {secret.text}"} if secret is not None else {}
    return {"user-agent": "stoa", **target.extra_headers, **own, **authorization}


def _read(answer: bytes) -> tuple[str, str]:
    """The text of an answer in OpenAI's format, or what is wrong with it."""
    try:
        payload: Any = orjson.loads(answer)
    except ValueError:
        return "", "The server answered with something else than JSON. Is this the address of an API?"
    if isinstance(payload, dict) and payload.get("error"):
        refused = refusal_in(payload)
        return "", in_words(refused.reason, refused.detail) or REFUSED
    try:
        choice = payload["choices"][0]
        text = choice["message"]["content"]
    except (KeyError, IndexError, TypeError):
        return "", "The server answered in another format than that of chat completions."
    if isinstance(text, str) and text.strip():
        return text.strip(), ""
    if choice.get("finish_reason") == "length":
        return (
            "",
            f"It thought for all of the {MOST_TOKENS} tokens that it was given here, and said nothing yet. It works.",
        )
    return "", "It answered with an empty text."
