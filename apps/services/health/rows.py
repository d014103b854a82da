"""The state of instances in the database, which all processes share. For threads and workers."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from apps.common.models import Revision
from apps.common.revisions import Snapshot
from apps.services.health.news import InstanceNews, InstanceRows, InstanceVerdict
from apps.services.models import SERVICE_HEALTH_TOPIC, Instance, InstanceHealth


def instance_rows() -> Snapshot[InstanceRows]:
    return Snapshot(SERVICE_HEALTH_TOPIC, load)


def load() -> InstanceRows:
    return {row.pk: (row.state, row.version) for row in InstanceHealth.objects.all()}


def write(news: InstanceNews, now: datetime) -> Mapping[int, int]:
    """Store what a process found. Returns the new versions of what it judged; of the rest, another was faster.

    Whoever locks several rows does so in the order of their keys. Blocking: call it in a thread.
    """
    with transaction.atomic():
        verdicts = sorted(news.verdicts, key=lambda verdict: verdict.instance)
        versions = {each.instance: version for each in verdicts if (version := _judge(each))}
        if versions:
            Revision.bump(SERVICE_HEALTH_TOPIC)
    for id, (error, at) in news.failures.items():
        if is_there(id):
            InstanceHealth.objects.filter(pk=id).update(error=error, failed_at=at)
    return versions


def _judge(verdict: InstanceVerdict) -> int | None:
    """The new version, if the verdict is about the present one."""
    if not is_there(verdict.instance):
        return None
    row = InstanceHealth.objects.select_for_update().get(pk=verdict.instance)
    if row.version != verdict.version:
        return None
    row.become(verdict.state)
    row.save()
    return row.version


def is_there(id: int) -> bool:
    """Makes the row, unless the instance has been deleted."""
    if not Instance.objects.filter(pk=id).exists():
        return False
    InstanceHealth.objects.get_or_create(pk=id)
    return True
