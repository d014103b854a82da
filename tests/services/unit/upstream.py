"""Instances that answer as a test says, at the place of the relay client."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from apps.common.breaker import Window
from apps.common.clients import ConnectFailed, ConnectionBroken, NonFree, NothingCame, RelayError
from apps.common.errors import GatewayError
from apps.services.attempts import AttemptMemory, InstanceAttempts, may_be_repeated
from apps.services.balancing import ChosenInstance
from apps.services.bodies import SendableBody, sendable
from apps.services.health.memory import Instances
from apps.services.registry import BreakerPolicy, Entry, Timeouts
from apps.services.relaying import Relay
from tests.services.arrivals import make_arrival
from tests.services.unit.values import endpoint, entry


class Body:
    """The body of a request, which arrives in these pieces."""

    def __init__(self, *pieces: bytes, chunked: bool = False) -> None:
        self.length = None if chunked else sum(map(len, pieces))
        self.pieces = pieces
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            self.taken += 1
            yield piece


class Answered:
    """A response, as far as the attempts look at it."""

    def __init__(self, status: int, *pieces: bytes | RelayError, **headers: str) -> None:
        self.status, self.pieces = status, list(pieces)
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.pairs = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        self.is_closed = self.is_whole = False

    async def read(self) -> bytes:
        piece = self.pieces.pop(0) if self.pieces else b""
        if isinstance(piece, Exception):
            raise piece
        if piece == b"hang":
            await asyncio.Event().wait()
        return piece

    def close(self) -> None:
        self.is_closed = True


# What an instance can do with a request


async def refuse(body: SendableBody) -> Answered:
    raise ConnectFailed("It was told to.")


async def hang(body: SendableBody) -> Answered:
    await read(body)
    await asyncio.Event().wait()
    raise AssertionError


async def drop(body: SendableBody) -> Answered:
    await read(body)
    raise NothingCame("It was told to.")


async def drop_early(body: SendableBody) -> Answered:
    if body.whole is None:
        async for _ in body:
            raise ConnectionBroken("It was told to, in the middle of the body.")
    raise ConnectionBroken("It was told to.")


async def full(body: SendableBody) -> Answered:
    raise NonFree("It was told to.")


async def good(body: SendableBody) -> Answered:
    await read(body)
    return Answered(200, b"good")


def says(status: int, **headers: str) -> "Doing":
    async def say(body: SendableBody) -> Answered:
        await read(body)
        return Answered(status, b"said", **headers)

    return say


async def read(body: SendableBody) -> bytes:
    return body.whole if body.whole is not None else b"".join([piece async for piece in body])


Doing = Callable[[SendableBody], Any]


@dataclass(slots=True)
class Scene:
    """A service whose instances do in turn what is listed for them, the last of it for ever."""

    entry: Entry
    doing: dict[int, list[Doing]]
    memory: AttemptMemory = field(default_factory=lambda: AttemptMemory(Instances(rng=random.Random(1))))
    asked: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    async def ask(self, method: str = "GET", body: Body | None = None, **headers: str) -> Relay | GatewayError:
        given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        arrival = make_arrival(entry=self.entry, method=method, headers=given, body=body or Body())
        ends_at = time.monotonic() + self.entry.timeouts.total
        kept = await sendable(arrival.body, keeps=self.entry.retries.keeps, is_repeatable=may_be_repeated(arrival))

        async def send(choice: ChosenInstance, seconds: float) -> Any:
            id = choice.endpoint.id
            self.asked.append(id)
            self.seconds.append(seconds)
            doing = self.doing[id]
            return await (doing.pop(0) if len(doing) > 1 else doing[0])(kept)

        try:
            return await InstanceAttempts(arrival, self.memory, kept, ends_at=ends_at).first_answer(send)
        except GatewayError as error:
            return error

    def in_flight(self) -> int:
        return sum(self.memory.instances.in_flight(endpoint) for endpoint in self.entry.endpoints)

    def is_open(self, id: int) -> bool:
        [endpoint] = [endpoint for endpoint in self.entry.endpoints if endpoint.id == id]
        return self.memory.instances.state(endpoint).is_open


QUICK = Timeouts(connect=0.2, first_byte=0.05, idle=0.05, total=1.0)
POLICY = BreakerPolicy(misses=3, window=Window(at_least=4))


def scene(*doing: Doing | list[Doing], **overrides: Any) -> Scene:
    """An instance for each: what it does for ever, or in turn."""
    ids = range(1, len(doing) + 1)
    values = {"timeouts": QUICK, "breaker": POLICY, **overrides}
    listed = {id: each if isinstance(each, list) else [each] for id, each in zip(ids, doing, strict=True)}
    return Scene(entry(*map(endpoint, ids), **values), listed)


def outcome(answer: Relay | GatewayError) -> int | str:
    if isinstance(answer, Relay):
        answer.close()
        return answer.response.status
    return answer.code
