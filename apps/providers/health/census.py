"""How many deployments and credentials of each provider are in which state. For the metrics."""

from collections import Counter
from datetime import datetime

from apps.common.health.states import Standing
from apps.providers.catalogue import Catalogue, Secret, Target
from apps.providers.health.memory import Health

DEPLOYMENT_STATES = (Standing.WELL, Standing.COOLING, Standing.OPEN, Standing.PROBATION)
CREDENTIAL_STATES = (Standing.WELL, Standing.COOLING, Standing.OUT)
Census = dict[tuple[str, Standing], int]  # by provider and state, zeros included


def census(catalogue: Catalogue, health: Health, now: datetime) -> tuple[Census, Census]:
    """The deployments, and the credentials."""
    targets: list[Target] = [target for route in catalogue.routes.values() for target in route.targets]
    secrets: dict[int, tuple[str, Secret]] = {
        secret.id: (target.provider, secret) for target in targets for secret in target.secrets
    }
    deployments = Counter((target.provider, health.deployment(target).in_effect(now)) for target in targets)
    credentials = Counter((name, health.credential(secret).in_effect(now)) for name, secret in secrets.values())
    names = {target.provider for target in targets}
    return (
        {(name, state): deployments[name, state] for name in names for state in DEPLOYMENT_STATES},
        {(name, state): credentials[name, state] for name in names for state in CREDENTIAL_STATES},
    )


def answering(catalogue: Catalogue, health: Health, now: datetime) -> dict[tuple[str], int]:
    """By model, how many of its deployments are not open and have a key that is accepted. Models without any are left
    out."""
    return {
        (name,): sum(_answers(target, health, now) for target in route.targets)
        for name, route in catalogue.routes.items()
        if route.targets
    }


def _answers(target: Target, health: Health, now: datetime) -> bool:
    is_open = health.deployment(target).in_effect(now) == Standing.OPEN and target.force != "closed"
    return not is_open and target.force != "open" and _has_secret(target, health, now)


def _has_secret(target: Target, health: Health, now: datetime) -> bool:
    return not target.secrets or any(health.accepts(secret, now) for secret in target.secrets)
