"""Rows in which processes share the health of providers."""

from datetime import UTC, datetime, timedelta

from apps.common.health.states import Standing, State
from apps.providers.health import rows
from apps.providers.health.news import Judgement, Key, News
from apps.providers.models import Credential, Deployment, ProviderEvent

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
DOWN = State(
    standing=Standing.OPEN,
    reason="unreachable",
    error="No connection could be made.",
    since=NOW,
    until=NOW + timedelta(seconds=10),
    trial_at=NOW + timedelta(seconds=70),
    times=1,
)


def key_of(row: Deployment | Credential) -> Key:
    return ("deployment" if isinstance(row, Deployment) else "credential"), row.pk


def judge(row: Deployment | Credential, state: State, *, version: int = 0, now: datetime = NOW) -> int | None:
    """The version that this makes of the row, if it counts."""
    key = key_of(row)
    return rows.write(News(judgements=(Judgement(key, version, state),)), now).get(key)


def events(deployment: Deployment) -> list[str]:
    return list(
        ProviderEvent.objects.filter(provider=deployment.provider).order_by("id").values_list("kind", flat=True)
    )
