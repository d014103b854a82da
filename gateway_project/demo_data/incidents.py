"""What operators were told about the demo's providers: down and back, refused credentials, doubtful usage."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from apps.providers.models import Deployment, Provider, ProviderEvent
from gateway_project.demo_data.plan import Size
from gateway_project.demo_data.world import PROVIDERS

DOWN, REFUSED, DOUBTED = 0.3, 0.02, 0.05  # the chance of each, for a provider on a day
_Kind = ProviderEvent.Kind


def note_incidents(size: Size, *, now: datetime, chance: random.Random) -> None:
    """Every incident of before `now` is over by then."""
    events = [
        event
        for provider in Provider.objects.filter(name__in=PROVIDERS).order_by("pk")
        for days_ago in range(min(size.days, ProviderEvent.KEPT.days), 0, -1)
        for event in _of_a_day(provider, now - timedelta(days=days_ago), chance)
    ]
    ProviderEvent.objects.bulk_create(sorted(events, key=lambda event: event.at), batch_size=500)


def _of_a_day(provider: Provider, day: datetime, chance: random.Random) -> Iterator[ProviderEvent]:
    deployment = Deployment.objects.filter(provider=provider).select_related("model", "provider").first()
    begin = day + timedelta(minutes=chance.randrange(20 * 60))
    end = begin + timedelta(minutes=chance.randrange(2, 180))
    if chance.random() < DOWN:
        yield _event(provider, deployment, _Kind.DOWN, f"{deployment}: 5 attempts in a row timed out.", begin)
        if chance.random() < 0.1:
            yield _event(provider, deployment, _Kind.ALL_OPEN, "No deployment of this model can answer calls.", begin)
        yield _event(provider, deployment, _Kind.BACK, f"{deployment} answers again.", end)
    if chance.random() < REFUSED:
        yield _event(provider, None, _Kind.CREDENTIAL_OUT, "The provider refused the credential (401).", begin)
        yield _event(provider, None, _Kind.CREDENTIAL_BACK, "The credential is accepted again.", end)
    if chance.random() < DOUBTED:
        yield _event(provider, deployment, _Kind.DOUBT, f"{deployment}: the reported usage is 0 tokens.", begin)


def _event(provider: Provider, deployment: Deployment | None, kind: str, detail: str, at: datetime) -> ProviderEvent:
    return ProviderEvent(provider=provider, deployment=deployment, kind=kind, detail=detail, at=at)
