"""How many instances of each service are in which state. For the metrics."""

from collections import Counter
from datetime import datetime

from apps.common.health.states import Standing
from apps.services.health.memory import Instances
from apps.services.registry import Registry

INSTANCE_STATES = (Standing.WELL, Standing.COOLING, Standing.OPEN, Standing.PROBATION)


def instances(registry: Registry, health: Instances, now: datetime) -> dict[tuple[str, Standing], int]:
    """By service and state, zeros included."""
    entries = list(registry.by_prefix.values())
    found = Counter(
        (entry.name, health.state(endpoint).in_effect(now)) for entry in entries for endpoint in entry.endpoints
    )
    return {(entry.name, state): found[entry.name, state] for entry in entries for state in INSTANCE_STATES}
