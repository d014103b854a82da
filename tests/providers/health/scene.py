"""One process's memory of failures, and a clock."""

from datetime import UTC, datetime, timedelta
from typing import Any

from apps.common.health.states import Standing
from apps.providers.adapters.protocol import Reason, UpstreamRefused
from apps.providers.catalogue import Target
from apps.providers.health.memory import Health
from apps.providers.routing import Candidate
from tests.providers.test_routing import a_secret, a_target

START = datetime(2026, 11, 30, 12, tzinfo=UTC)
SECRET = a_secret("main")
TARGET = a_target("first", secrets=(SECRET,), probe_path="off")


class NoJitter:
    def random(self) -> float:
        return 0.0


class Scene:
    """One process that calls one deployment."""

    def __init__(self, target: Target = TARGET) -> None:
        self.health, self.target, self.now = Health(rng=NoJitter()), target, START  # type: ignore[arg-type]

    @property
    def admits(self) -> bool:
        return self.health.admits(self.target, self.now)

    @property
    def standing(self) -> Standing:
        return self.health.deployment(self.target).standing

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def candidate(self) -> Candidate:
        secret = self.target.secrets[0] if self.target.secrets else None
        return Candidate(self.target, secret, self.health.turns(self.target, secret))

    def begin(self) -> Candidate:
        candidate = self.candidate()
        self.health.began(candidate)
        return candidate

    def fail(self, reason: Reason, *, times: int = 1, call: Candidate | None = None, **fields: Any) -> None:
        for _ in range(times):
            failed = call or self.begin()
            self.health.failed(failed, UpstreamRefused(reason, detail="Answered 500", **fields), now=self.now)
            self.health.ended(failed)

    def answer(self, *, times: int = 1, call: Candidate | None = None) -> None:
        for _ in range(times):
            answered = call or self.begin()
            self.health.answered(answered, now=self.now)
            self.health.ended(answered)


def opened(target: Target = TARGET) -> Scene:
    scene = Scene(target)
    scene.fail("unreachable", times=5)
    return scene
