"""Instances are killed and started again under load: no idempotent request fails, and traffic returns soon."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from apps.services.models import InstanceHealth
from tests.chat.world import wait_until
from tests.live import Gateway
from tests.services.instances import UsersInstance
from tests.services.world import ServiceWorld, make_service_world

INTERVAL = 1.0  # of health checks
SOON = 2 * INTERVAL + 2.0  # in which traffic has to be back
CLIENTS = 16


@dataclass(slots=True)
class Load:
    """GET requests at a steady rate, over connections that are kept. What each was answered with, or why it was not."""

    world: ServiceWorld
    rate: float
    outcomes: Counter[int | str] = field(default_factory=Counter)
    late: float = 0.0  # the longest time that an answer took
    _is_over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> "Load":
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        assert self._thread is not None
        self._thread.join()

    @property
    def failed(self) -> dict[int | str, int]:
        return {outcome: count for outcome, count in self.outcomes.items() if outcome != 200}

    async def _run(self) -> None:
        await asyncio.gather(*(self._ask_on(number) for number in range(CLIENTS)))

    async def _ask_on(self, number: int) -> None:
        pace = CLIENTS / self.rate
        due = time.monotonic() + pace * number / CLIENTS
        while not self._is_over.is_set():
            host, port = self.world.gateway.base_url.removeprefix("http://").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            try:
                while not self._is_over.is_set():
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
                    due += pace
                    self.outcomes[await self._ask(reader, writer)] += 1
            except (OSError, asyncio.IncompleteReadError) as error:
                self.outcomes[repr(error)] += 1
            finally:
                writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        began = time.monotonic()
        head = f"GET {self.world.prefix}/ HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {self.world.key}\r\n\r\n"
        writer.write(head.encode())
        answer = (await reader.readuntil(b"\r\n\r\n")).lower()
        _, _, rest = answer.partition(b"\r\ncontent-length:")
        await reader.readexactly(int(rest.split(b"\r\n")[0]))
        self.late = max(self.late, time.monotonic() - began)
        return int(answer.split()[1])


@pytest.fixture
def three(tmp_path: Path) -> Iterator[list[UsersInstance]]:
    with ExitStack() as stack:
        yield [stack.enter_context(UsersInstance(tmp_path / "users.sqlite3")) for _ in range(3)]


def kill_and_start(instance: UsersInstance, world: ServiceWorld, *, down: float) -> float:
    """Seconds from its start until it gets requests again."""
    instance.kill()
    time.sleep(down)
    instance.start()
    began = time.monotonic()
    wait_until(lambda: instance.journal, what="A request to the instance that came back", every=0.05)
    return time.monotonic() - began


@pytest.mark.parametrize(
    ("rate", "rounds"),
    [(100, 1), pytest.param(200, 12, marks=[pytest.mark.battery, pytest.mark.timeout(600)])],
)
def test_no_idempotent_request_fails(
    committed_db: None, gateway: Gateway, three: list[UsersInstance], rate: int, rounds: int
) -> None:
    back: list[float] = []
    with (
        make_service_world(
            gateway, *three, health_path="/health", health_interval_seconds=INTERVAL, health_timeout_seconds=1.0
        ) as world,
        Load(world, rate) as load,
    ):
        time.sleep(1.0)
        for number in range(rounds):
            back.append(kill_and_start(three[number % 3], world, down=0.5 + number % 3))
            wait_until(
                lambda: not InstanceHealth.objects.filter(instance__service=world.service).exclude(standing="well"),
                what="The end of probation",
                every=0.1,
            )

    print(f"{load.outcomes}, back after {[round(seconds, 1) for seconds in back]} s, at most {load.late:.2f} s")
    assert load.failed == {}
    assert max(back) < SOON
    assert load.outcomes[200] > rate
