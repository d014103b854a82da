"""Chaos: a plan of faults at random moments, and those who carry it out.

The plan is pure, so its seed is all that it takes to have it again. Each part of the system suffers one fault at a
time; those of different parts overlap as they like.
"""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from redis import Redis as Client

from tests.faults.footprint import processes_of
from tests.faults.link import Link
from tests.live import Gateway
from tests.provider_stub import ProviderStub
from tests.servers import Redis, Server

Part = Literal["web", "provider", "database", "redis"]
_OF_A_SERVER = ("reset", "refuse", "delay", "hang", "cut", "restart", "kill")
KINDS: dict[Part, tuple[str, ...]] = {
    "web": ("kill", "terminate", "freeze", "kill the worker"),
    "provider": ("refuse", "break off", "end early", "report an error", "reset", "delay"),
    "database": _OF_A_SERVER,
    "redis": (*_OF_A_SERVER, "forget"),
}
PAUSES: dict[Part, float] = {"web": 2.5, "provider": 1.0, "database": 2.0, "redis": 1.5}  # on average, between faults
CUT_WITHIN = 20_000  # bytes


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault: when, how long, and a number that decides whatever else there is to choose."""

    at: float
    part: Part
    kind: str
    seconds: float
    number: int


def plan(seed: int, *, seconds: float, parts: Iterable[Part]) -> list[Strike]:
    """The faults of so many seconds, in order. Of each part, every kind comes before any comes again."""
    strikes = [strike for part in parts for strike in _of(part, random.Random(f"{seed} {part}"), seconds)]
    return sorted(strikes, key=lambda strike: strike.at)


def _of(part: Part, chance: random.Random, until: float) -> Iterator[Strike]:
    deck: list[str] = []
    at = chance.uniform(0.5, 1.5)
    while True:
        deck = deck or chance.sample(KINDS[part], len(KINDS[part]))
        seconds = chance.uniform(0.2, 2.0)
        if at + seconds > until:
            return
        yield Strike(round(at, 2), part, deck.pop(), round(seconds, 2), chance.randrange(10**6))
        at += seconds + PAUSES[part] * chance.uniform(0.5, 1.5)


class Log:
    """What was done and when, also in a file as it goes."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        self.path = path
        self.lines: list[str] = []
        self._started = time.monotonic()

    def say(self, text: str) -> None:
        line = f"{time.monotonic() - self._started:8.3f}  {text}"
        self.lines.append(line)
        with self.path.open("a") as file:
            file.write(line + "\n")


class Victim(Protocol):
    """A part that can be struck. Struck, it says what exactly is done, does it, and is whole again at the end."""

    async def suffer(self, strike: Strike, say: Callable[[str], None]) -> None: ...


async def run(strikes: Iterable[Strike], victims: dict[Part, Victim], log: Log) -> None:
    """Carry the plan out. What takes longer than planned delays the next fault of the same part."""
    started = time.monotonic()

    async def strike_one_after_the_other(part: Part, victim: Victim) -> None:
        for strike in strikes:
            if strike.part == part:
                await asyncio.sleep(max(0.0, started + strike.at - time.monotonic()))
                await victim.suffer(strike, lambda what, strike=strike: log.say(f"{strike.part:8} {what}"))  # type: ignore[misc]

    await asyncio.gather(*(strike_one_after_the_other(part, victim) for part, victim in victims.items()))


class Processes:
    """The processes of a gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def suffer(self, strike: Strike, say: Callable[[str], None]) -> None:
        name = (
            "gateway_project.processes.worker" if strike.kind == "kill the worker" else "gateway_project.processes.web"
        )
        running = sorted(processes_of(self._gateway, name))
        if not running:
            say(f"{strike.kind}: none is there")
            return
        pid = running[strike.number % len(running)]
        if strike.kind == "freeze":
            say(f"freeze {pid} for {strike.seconds} s")
            await self._freeze(pid, strike.seconds)
        else:
            say(f"{strike.kind} {pid}")
            self._send(pid, signal.SIGTERM if strike.kind == "terminate" else signal.SIGKILL)

    async def _freeze(self, pid: int, seconds: float) -> None:
        self._send(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            self._send(pid, signal.SIGCONT)

    @staticmethod
    def _send(pid: int, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


class Providers:
    """The next few requests meet a provider in trouble; all others meet one that works."""

    def __init__(self, *stubs: ProviderStub) -> None:
        self._stubs = stubs

    async def suffer(self, strike: Strike, say: Callable[[str], None]) -> None:
        many, few = 1 + strike.number % 4, strike.number % 15
        trouble: dict[str, Any] = {
            "refuse": {"status": (500, 503, 429)[strike.number % 3]},
            "break off": {"cut_after": few},
            "end early": {"end_after": few},
            "report an error": {"error_after": few},
            "reset": {"reset": True},
            "delay": {"delay": strike.seconds},
        }[strike.kind]
        say(f"{strike.kind}, {many} times: {trouble}")
        for stub in self._stubs:
            stub.will(times=many, repeats_prompt=True, text="word " * 15, chunk_delay=0.05, **trouble)


class Remote:
    """A server, and the link before it."""

    def __init__(self, server: Server, link: Link) -> None:
        self._server, self._link = server, link

    async def suffer(self, strike: Strike, say: Callable[[str], None]) -> None:
        if strike.kind == "forget":
            say("forget everything")
            await asyncio.to_thread(self._forget)
        elif strike.kind in ("restart", "kill"):
            await self._restart(strike, say)
        else:
            await self._disturb(strike, say)

    async def _restart(self, strike: Strike, say: Callable[[str], None]) -> None:
        say(f"{strike.kind}, and start again after {strike.seconds} s")
        await asyncio.to_thread(self._server.kill if strike.kind == "kill" else self._server.stop)
        await asyncio.sleep(strike.seconds)
        await asyncio.to_thread(self._server.start)
        say("started again")

    async def _disturb(self, strike: Strike, say: Callable[[str], None]) -> None:
        after = strike.number % CUT_WITHIN
        faults: dict[str, Any] = {
            "reset": {},
            "refuse": {"refuse": True},
            "delay": {"delay": 0.05, "jitter": 0.04},
            "hang": {"hang": True},
            "cut": {"cut_up" if strike.number % 2 else "cut_down": after},
        }[strike.kind]
        say(f"{strike.kind} {faults or 'all connections'}" + f" for {strike.seconds} s" * bool(faults))
        self._link.will(**faults)
        if strike.kind in ("reset", "refuse"):
            await asyncio.to_thread(self._link.reset_all)
        if faults:
            await asyncio.sleep(strike.seconds)
            self._link.will()

    def _forget(self) -> None:
        assert isinstance(self._server, Redis)
        with Client.from_url(self._server.url()) as client:
            client.flushall()
