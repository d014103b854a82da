"""Providers and services, by the states that all processes share and by the last health checks."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from apps.common.health.states import Standing
from apps.providers.models import Provider
from apps.services.models import Instance
from gateway_project.health.states import Diagnosis, degraded, down, healthy
from gateway_project.site.troubles import troubles

_UNUSABLE = (Standing.OPEN, Standing.OUT)


def providers() -> Diagnosis:
    rows = list(
        Provider.objects.filter(is_enabled=True).prefetch_related(
            "credentials__health", "probes", "deployments__health", "deployments__model"
        )
    )
    now = datetime.now(UTC)
    found = troubles(rows, now=now)
    figures = {f"check_failed:{one.name}": float(_is_ill(one)) for one in rows}
    if not found:
        return healthy(f"{len(rows)} well." if rows else "None.", **figures)
    sentence = _all_of([one.sentence for one in found])
    since = min((one.since for one in found if one.since is not None), default=None)
    judge = degraded if any(_answers(one, now) for one in rows) else down
    return judge(sentence, since=since, **figures)


def _is_ill(provider: Any) -> bool:
    """Whether its last health check failed in a way that students' calls fail in, too."""
    return any(probe.kind == "bad" for probe in provider.probes.all())


def _answers(provider: Any, now: datetime) -> bool:
    """Whether some deployment may be asked."""
    credentials = [one for one in provider.credentials.all() if one.is_enabled]
    if credentials and all(_standing(one, now) in _UNUSABLE for one in credentials):
        return False
    return any(one.is_enabled and _standing(one, now) not in _UNUSABLE for one in provider.deployments.all())


def _standing(row: Any, now: datetime) -> Standing:
    health = getattr(row, "health", None)
    return Standing.WELL if health is None else health.standing_at(now)


def services() -> Diagnosis:
    now = datetime.now(UTC)
    rows = Instance.objects.filter(service__is_enabled=True).select_related("service", "health")
    instances: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        instances[row.service.name].append(row)
    gone = [name for name, mine in instances.items() if not any(_is_used(one, now) for one in mine)]
    failing = [one for mine in instances.values() for one in mine if not _is_used(one, now)]
    if not failing:
        return healthy(f"{len(instances)} well." if instances else "None.")
    if gone:
        sentence = f"{_listed(gone)}: no instance answers."
        return down(sentence) if len(gone) == len(instances) else degraded(sentence)
    return degraded(f"{_listed(sorted({one.service.name for one in failing}))}: some instances do not answer.")


def _is_used(instance: Any, now: datetime) -> bool:
    if instance.force:
        return bool(instance.force == Instance.Force.UP)
    return _standing(instance, now) not in _UNUSABLE


def _all_of(sentences: list[str], *, most: int = 3) -> str:
    more = len(sentences) - most
    return " ".join(sentences[:most]) + (f" And {more} more." if more > 0 else "")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)[:5])
