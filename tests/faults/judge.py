"""The judge of a run in which anything may have happened: the ledger's audit, the limits, the checker's findings."""

import time
from collections.abc import Sequence
from typing import Any

from apps.quotas.ledger.audit import audit
from apps.quotas.models import QuotaPolicy, WeeklyUsage
from tests.faults.scene import Scene


def judge(*scenes: Scene, within: float = 60.0, **excuses: Any) -> list[str]:
    """What is wrong once the dust has settled, or after so long; the excuses are the checker's."""
    deadline = time.monotonic() + within
    found = []
    for scene in scenes:
        found += scene.findings(within=max(0.0, deadline - time.monotonic()), **excuses)
    return [*found, *_drift(), *_overspent(scenes)]


def _drift() -> list[str]:
    found = audit()
    return [*map(str, found.drifts), *(f"{found.open_holds} holds are open." for _ in [1] if found.open_holds)]


def _overspent(scenes: Sequence[Scene]) -> list[str]:
    """Used beyond the limit. Each charge of these runs is at most what was held for it, so nothing excuses that."""
    return [
        f"{week}: {week.used} used of {limit}."
        for scene in scenes
        for week in scene.evidence().weeks
        if (limit := _limit_of(scene, week)) is not None and week.used > limit
    ]


def _limit_of(scene: Scene, week: WeeklyUsage) -> int | None:
    policy = QuotaPolicy.objects.get(course=scene.world.course)
    return policy.weekly_tokens if week.kind == WeeklyUsage.Kind.COURSE else policy.student_weekly_tokens
