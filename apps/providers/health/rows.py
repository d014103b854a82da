"""The state of deployments and credentials in the database, which all processes share. For threads and workers."""

from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction

from apps.common.health.states import Standing
from apps.common.models import Revision
from apps.common.revisions import Snapshot
from apps.providers.health.events import announce, announce_doubt
from apps.providers.health.news import Judgement, Key, News, Rows, StoredHealth
from apps.providers.models import HEALTH_TOPIC, Credential, CredentialHealth, Deployment, DeploymentHealth

PROBE_PATIENCE: Final = timedelta(seconds=90)  # after a bad health check, trials are left to the checks for so long


def health_rows() -> Snapshot[Rows]:
    return Snapshot(HEALTH_TOPIC, load)


def load() -> Rows:
    found: dict[Key, StoredHealth] = {("deployment", row.pk): _seen(row) for row in DeploymentHealth.objects.all()}
    return found | {("credential", row.pk): _seen(row) for row in CredentialHealth.objects.all()}


def _seen(row: DeploymentHealth | CredentialHealth) -> StoredHealth:
    return StoredHealth(
        state=row.state, version=row.version, not_understood=frozenset(getattr(row, "not_understood", ()))
    )


def write(news: News, now: datetime) -> dict[Key, int]:
    """Store what a process found. Returns the new versions of what it judged; of the rest, another was faster.

    Whoever locks several rows does so in the order of their keys. Blocking: call it in a thread.
    """
    with transaction.atomic():
        versions = {each.key: version for each in sorted(news.judgements, key=_key) if (version := _judge(each, now))}
        if versions:
            Revision.bump(HEALTH_TOPIC)
    for key, (error, at) in news.failures.items():
        if _is_there(key):
            _table(key).filter(pk=key[1]).update(error=error, failed_at=at)
    for deployment, what in news.not_understood:
        _learn(deployment, what)
    for deployment, what in news.doubts.items():
        _doubt(deployment, what, now)
    if news.uses:
        Credential.note_use(news.uses, now=now)
    return versions


def note_probe(provider: int, *, ok: bool | None, detail: str, now: datetime) -> None:
    """Take note of a health check. `ok` is None if it says nothing about calls; `detail` is a sentence of ours.

    A good one puts the provider's open deployments on probation, once their time is over or if the last one was bad.
    A bad one keeps students' calls from being the trial, as long as there are checks.
    """
    if ok is None:
        return
    with transaction.atomic():
        waiting = DeploymentHealth.objects.filter(standing__in=(Standing.OPEN, Standing.PROBATION))
        rows = waiting.filter(deployment__provider=provider).select_for_update(of=("self",)).order_by("pk")
        changed = [(_try(row, now) if ok else _put_off(row, detail, now)) for row in rows]
        if any(changed):
            Revision.bump(HEALTH_TOPIC)


def _try(row: DeploymentHealth, now: datetime) -> bool:
    is_due = row.probe_failed or row.state.is_over(now)
    if row.standing == Standing.PROBATION or not is_due:
        return False
    row.standing, row.since, row.until, row.trial_at, row.probe_failed = Standing.PROBATION, now, None, None, False
    row.version += 1
    row.save()
    return True


def _put_off(row: DeploymentHealth, detail: str, now: datetime) -> bool:
    if row.standing == Standing.PROBATION:
        row.standing, row.since, row.until = Standing.OPEN, now, now
        row.version += 1
    row.error, row.failed_at = detail[:300], now
    row.trial_at, row.probe_failed = now + PROBE_PATIENCE, True
    row.save()
    return True


def _judge(judgement: Judgement, now: datetime) -> int | None:
    """The new version, if the judgement is about the present one."""
    if not _is_there(judgement.key):
        return None
    row = _table(judgement.key).select_for_update().get(pk=judgement.key[1])
    if row.version != judgement.version:
        return None
    before, after = row.state, judgement.state
    row.become(after)
    row.probe_failed = False
    row.save()
    announce(judgement.key, before, after, now=now)
    return int(row.version)


@transaction.atomic
def _learn(deployment: int, what: str) -> None:
    if not _is_there(("deployment", deployment)):
        return
    row = DeploymentHealth.objects.select_for_update().get(pk=deployment)
    if what not in row.not_understood:
        row.not_understood = sorted([*row.not_understood, what])
        row.save(update_fields=["not_understood"])
        Revision.bump(HEALTH_TOPIC)


@transaction.atomic
def _doubt(deployment: int, what: str, now: datetime) -> None:
    if _is_there(("deployment", deployment)):
        announce_doubt(deployment, what, now=now)
        DeploymentHealth.objects.filter(pk=deployment).update(doubt=what[:300], doubted_at=now)


def _is_there(key: Key) -> bool:
    """Makes the row, unless what it is about has been deleted."""
    owners: Any = Deployment if key[0] == "deployment" else Credential
    if not owners.objects.filter(pk=key[1]).exists():
        return False
    _table(key).get_or_create(pk=key[1])
    return True


def _table(key: Key) -> Any:
    return DeploymentHealth.objects if key[0] == "deployment" else CredentialHealth.objects


def _key(judgement: Judgement) -> Key:
    return judgement.key
