"""What happened to providers and credentials, from the journal that all processes write."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from apps.operations.models import About, Notification
from apps.providers.models import ProviderEvent

SINCE = timedelta(days=1)
MOST = 200  # a look; the next one finds the rest
_OF_CREDENTIALS = frozenset({ProviderEvent.Kind.CREDENTIAL_OUT, ProviderEvent.Kind.CREDENTIAL_BACK})


def found(*, now: datetime) -> Iterator[Notification]:
    """The events of the last day that nobody was told of. Ids alone would miss one whose transaction took longer."""
    recent = dict(ProviderEvent.objects.filter(at__gt=now - SINCE).order_by("id").values_list("id", "kind"))
    known = set(Notification.objects.filter(key__in=[key_of(id) for id in recent]).values_list("key", flat=True))
    unknown = [id for id in recent if key_of(id) not in known][:MOST]
    for event in ProviderEvent.objects.filter(pk__in=unknown).select_related("provider").order_by("id"):
        yield _of_event(event)


def key_of(event: int) -> str:
    return f"provider-event:{event}"


def _of_event(event: ProviderEvent) -> Notification:
    return Notification(
        key=key_of(event.pk),
        about=About.CREDENTIALS if event.kind in _OF_CREDENTIALS else About.PROVIDERS,
        kind=event.kind,
        subject=_subject(event),
        level=event.level,
        title=f"{event.provider.name}: {event.get_kind_display()}",
        detail=event.detail,
        page=f"/admin/providers/provider/{event.provider_id}/change/",
        at=event.at,
    )


def _subject(event: ProviderEvent) -> str:
    """Down and back share one, since the later is the truth."""
    if event.credential_id is not None:
        return f"credential:{event.credential_id}"
    apart = f"{event.kind}:" if event.kind in (ProviderEvent.Kind.ALL_OPEN, ProviderEvent.Kind.DOUBT) else ""
    return f"{apart}deployment:{event.deployment_id or f'of provider {event.provider_id}'}"
