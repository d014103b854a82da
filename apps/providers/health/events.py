"""What operators are told of: one event a change, in the transaction that makes it."""

from datetime import datetime, timedelta

from apps.common.health.states import Standing, State
from apps.providers.health.news import Key
from apps.providers.models import Credential, CredentialHealth, Deployment, DeploymentHealth, ProviderEvent

DOUBT_EVERY = timedelta(hours=1)
_Kind = ProviderEvent.Kind


def announce(key: Key, before: State, after: State, *, now: datetime) -> None:
    """Add the events of a change of state, if it is one that operators want to hear of."""
    if key[0] == "deployment":
        _of_deployment(Deployment.objects.select_related("provider", "model").get(pk=key[1]), before, after, now)
    else:
        _of_credential(Credential.objects.select_related("provider").get(pk=key[1]), before, after, now)


def announce_doubt(deployment: int, what: str, *, now: datetime) -> None:
    """Once an hour for each provider."""
    # No key: with it, the lock would wait for whoever adds an event, and that one for the health of this deployment.
    rows = Deployment.objects.select_related("provider").select_for_update(of=("provider",), no_key=True)
    row = rows.get(pk=deployment)
    about = ProviderEvent.objects.filter(provider=row.provider_id, kind=_Kind.DOUBT)
    if not about.filter(at__gt=now - DOUBT_EVERY).exists():
        detail = f"{row}: {what}"
        ProviderEvent.note(_Kind.DOUBT, provider=row.provider_id, deployment=row.pk, detail=detail, now=now)


def _of_deployment(row: Deployment, before: State, after: State, now: datetime) -> None:
    if before.is_open == after.is_open:
        return
    kind = _Kind.DOWN if after.is_open else _Kind.BACK
    detail = f"{row}: {after.error}" if after.is_open else f"{row} answers again."
    ProviderEvent.note(kind, provider=row.provider_id, deployment=row.pk, detail=detail, now=now)
    if after.is_open:
        _note_if_all_are_open([row], now)


def _of_credential(row: Credential, before: State, after: State, now: datetime) -> None:
    was_out, is_out = before.standing == Standing.OUT, after.standing == Standing.OUT
    if was_out == is_out:
        return
    kind = _Kind.CREDENTIAL_OUT if is_out else _Kind.CREDENTIAL_BACK
    detail = f"{row}: {after.error}" if is_out else f"{row} is accepted again."
    ProviderEvent.note(kind, provider=row.provider_id, credential=row.pk, detail=detail, now=now)
    if is_out:
        used = Deployment.objects.filter(provider=row.provider_id, is_enabled=True, model__is_enabled=True)
        _note_if_all_are_open(list(used.select_related("model")), now)


def _note_if_all_are_open(changed: list[Deployment], now: datetime) -> None:
    """An event for each of their models that nobody is left to answer."""
    for row in {row.model_id: row for row in changed}.values():
        if not any(_is_left(other) for other in _deployments_of(row.model_id)):
            detail = f"No deployment of {row.model} can answer calls: each is open or has no usable credential."
            ProviderEvent.note(_Kind.ALL_OPEN, provider=row.provider_id, deployment=row.pk, detail=detail, now=now)


def _deployments_of(model: int) -> list[Deployment]:
    rows = Deployment.objects.filter(model=model, is_enabled=True, provider__is_enabled=True)
    return list(rows.exclude(force__in=("open", "drain")).select_related("health"))


def _is_left(row: Deployment) -> bool:
    health: DeploymentHealth | None = getattr(row, "health", None)
    if health is not None and health.state.is_open and row.force != "closed":
        return False
    credentials = Credential.objects.filter(provider=row.provider_id, is_enabled=True).exclude(ciphertext="")
    out = CredentialHealth.objects.filter(credential__in=credentials, standing=Standing.OUT)
    return not credentials.exists() or out.count() < credentials.count()
