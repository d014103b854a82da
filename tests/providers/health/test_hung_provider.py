"""How many calls meet a provider that hangs, with two processes that share what they know. Time is passed in."""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from apps.providers.catalogue import Route
from apps.providers.failures import Reason, UpstreamRefused
from apps.providers.health import rows
from apps.providers.health.memory import Health
from apps.providers.models import Deployment, ProviderEvent
from apps.providers.routing import Candidate, plan
from tests import factories
from tests.providers.test_routing import a_route, a_secret, a_target

START = datetime(2026, 11, 30, 12, tzinfo=UTC)
CALLS_A_SECOND = 50
FIRST_BYTE = 30.0  # seconds until a call gives up
MINUTES = 4
SHARE, POLL, CHECK = 1.0, 0.5, 30.0  # seconds between two writes, two reads and two health checks


@dataclass
class World:
    """Two processes that get calls in turn, and a provider that fails from the first second on. The other is well."""

    route: Route
    provider: int
    reason: Reason = "too_slow"
    takes: float = FIRST_BYTE
    check: bool | None = None  # what health checks find; None: there are none
    until: float = MINUTES * 60.0
    back_at: float = float("inf")
    met: list[float] = field(default_factory=list)  # when calls met the first provider
    lost: int = 0

    def __post_init__(self) -> None:
        self.processes = [Health(rng=random.Random(seed)) for seed in range(2)]
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number, self._second = count(), 0.0
        self._stored, self._read = 0, [0, 0]

    @property
    def now(self) -> datetime:
        return START + timedelta(seconds=self._second)

    def run(self) -> "World":
        for number in range(int(self.until * CALLS_A_SECOND)):
            self._at(number / CALLS_A_SECOND, lambda number=number: self._call(number))  # type: ignore[misc]
        for number, health in enumerate(self.processes):
            self._every(SHARE, lambda health=health: self._write(health), first=0.3 * number)  # type: ignore[misc]
            self._every(POLL, lambda number=number: self._read_rows(number), first=0.2)  # type: ignore[misc]
        if self.check is not None:
            self._every(CHECK, self._probe, first=17.0)
        while self._events:
            self._second, _, do = heapq.heappop(self._events)
            do()
        return self

    def _at(self, second: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._events, (second, next(self._number), do))

    def _every(self, seconds: float, do: Callable[[], None], *, first: float) -> None:
        for number in range(int((self.until - first) / seconds)):
            self._at(first + number * seconds, do)

    def _call(self, number: int) -> None:
        health = self.processes[number % 2]
        order = plan(self.route, health, self.now, random.Random(number))
        self._try(health, order)

    def _try(self, health: Health, order: list[Candidate]) -> None:
        if not order:
            self.lost += 1
            return
        candidate, *rest = order
        health.began(candidate)
        if candidate.target.provider == "second" or self._second >= self.back_at:
            self._at(self._second + 1.0, lambda: self._answered(health, candidate))
            return
        self.met.append(self._second)
        self._at(self._second + self.takes, lambda: self._failed(health, candidate, rest))

    def _answered(self, health: Health, candidate: Candidate) -> None:
        health.answered(candidate, now=self.now)
        health.ended(candidate)

    def _failed(self, health: Health, candidate: Candidate, rest: list[Candidate]) -> None:
        health.failed(candidate, UpstreamRefused(self.reason, detail=""), now=self.now)
        health.ended(candidate)
        self._try(health, rest)

    def _write(self, health: Health) -> None:
        if news := health.news(self.now):
            health.written(rows.write(news, self.now))
            self._stored += 1

    def _read_rows(self, process: int) -> None:
        if self._read[process] != self._stored:
            self._read[process] = self._stored
            self.processes[process].read(rows.load())

    def _probe(self) -> None:
        ok = self.check or self._second >= self.back_at
        rows.note_probe(self.provider, ok=ok, detail="No connection.", now=self.now)
        self._stored += 1

    def most_in_a_minute(self, *, after: float) -> int:
        met = [second for second in self.met if second > after]
        return max((sum(start <= second < start + 60 for second in met) for start in met), default=0)


@pytest.fixture
def deployments(db: None) -> list[Deployment]:
    model = factories.make_model(factories.make_provider(), factories.make_provider())
    return list(model.deployments.order_by("priority"))


def a_world(deployments: list[Deployment], *, probe_path: str = "", **overrides: object) -> World:
    targets = [
        a_target(
            name,
            deployment_id=row.pk,
            priority=priority,
            probe_path=probe_path,
            secrets=(a_secret(name, id=row.provider.credentials.get().pk),),
        )
        for priority, (name, row) in enumerate(zip(("first", "second"), deployments, strict=True))
    ]
    return World(route=a_route(*targets), provider=deployments[0].provider_id, **overrides)  # type: ignore[arg-type]


CHECKS: dict[str, dict[str, object]] = {
    "checks are good": {"check": True},
    "checks are bad": {"check": False},
    "no check comes": {"check": None},
    "checks are off": {"check": None, "probe_path": "off"},
}


@pytest.mark.parametrize("checks", CHECKS.values(), ids=CHECKS)
def test_of_fifty_calls_a_second_at_most_five_a_minute_meet_a_provider_that_hangs(
    deployments: list[Deployment], checks: dict[str, object]
) -> None:
    world = a_world(deployments, **checks).run()

    assert world.lost == 0
    assert max(second for second in world.met if second < 35) < FIRST_BYTE + 1  # the first time-outs, and no later
    assert world.most_in_a_minute(after=FIRST_BYTE + 1) <= 5
    assert list(ProviderEvent.objects.values_list("kind", flat=True)) == ["down"]


def test_one_that_refuses_at_once_is_met_as_seldom(deployments: list[Deployment]) -> None:
    world = a_world(deployments, check=True, reason="unreachable", takes=0.01).run()

    assert world.lost == 0
    assert sum(second < 1 for second in world.met) <= 20
    assert world.most_in_a_minute(after=1) <= 5


@pytest.mark.parametrize("checks", CHECKS.values(), ids=CHECKS)
def test_a_provider_that_is_back_gets_its_calls_back(deployments: list[Deployment], checks: dict[str, object]) -> None:
    world = a_world(deployments, back_at=70.0, **checks).run()

    kinds = list(ProviderEvent.objects.order_by("id").values_list("kind", flat=True))

    assert kinds == ["down", "back"]
    assert all(health.admits(world.route.targets[0], world.now) for health in world.processes)
