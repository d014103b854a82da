"""A guard over one stream, and a client that reads what gets out."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from apps.chat.dialects.openai_chat.answer import StreamReader
from apps.chat.guardrails.streams import Guard, guard_of
from apps.common.sse import joined
from apps.rules.rulebook import CompiledRule, Occasion, Rulebook
from tests.chat.unit.values import NOW, a_call, a_rule

ON_ANSWERS = Occasion(direction="answer", now=NOW, timezone="UTC")
NEEDLE = "EXAM-1234"
REDACT = a_rule(
    id=1, name="codes", action="redact", direction="answer", pattern=r"EXAM-[0-9]{4}", message="", replacement="[code]"
)

BLOCK = replace(REDACT, id=2, action="block", message="Not that.")
FLAG = replace(REDACT, id=3, action="flag")


def guard(*rules: CompiledRule, lets_pass: bool = False) -> Guard:
    made = guard_of(a_call("Hi"), Rulebook.of(rules, lets_pass=lets_pass), occasion=ON_ANSWERS)
    assert made is not None
    return made


def event(delta: dict[str, Any], *, index: int = 0, finish_reason: str | None = None, **more: Any) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish_reason}
    return b"data: " + orjson.dumps({"id": "c", "object": "chat.completion.chunk", "choices": [choice], **more})


@dataclass
class Client:
    """What a client has put together from a stream."""

    texts: dict[tuple[int, str], str] = field(default_factory=lambda: defaultdict(str))
    calls: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    raw: bytes = b""

    def take(self, block: bytes) -> None:
        self.raw += block
        for one in filter(None, block.split(b"\n\n")):
            if one.startswith(b"data: "):
                payload = orjson.loads(one[6:])
                self.events.append(payload)
                for choice in payload.get("choices") or ():
                    self._take(choice["index"], choice.get("delta") or {})

    def _take(self, index: int, delta: dict[str, Any]) -> None:
        for key, value in delta.items():
            if key == "tool_calls":
                for call in value:
                    held = self.calls.setdefault((index, call["index"]), {"name": "", "arguments": ""})
                    for part, text in (call.get("function") or {}).items():
                        held[part] += text
            elif isinstance(value, str):
                self.texts[index, key] += value


def run(made: Guard, chunks: list[bytes]) -> Client:
    """Feed chunks of a stream, cut anywhere, through a meter and the guard."""
    client, meter = Client(), StreamReader(wants_usage=True)

    async def feed() -> None:
        for chunk in chunks:
            if block := meter.feed(chunk):
                client.take(await made.feed(block))
        client.take(await made.end())

    asyncio.run(feed())
    return client


def stream(*events: bytes) -> list[bytes]:
    return [joined([one]) for one in events]


END = event({}, finish_reason="stop")


async def feed_one(made: Guard, client: Client, one: bytes) -> None:
    client.take(await made.feed(joined([one])))
