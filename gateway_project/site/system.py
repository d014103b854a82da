"""How the installation itself does: what waits on disk and in tables, and how much room is left."""

import shutil
import sqlite3
import tomllib
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext

from apps.common.models import Job
from apps.conversations.models import DeadLetter
from apps.conversations.spool import files
from apps.operations.models import NotificationDelivery
from apps.quotas.models import Hold

OLD = timedelta(minutes=1)
FULL = 0.9


@dataclass(frozen=True, slots=True)
class Fact:
    name: str
    value: str
    is_bad: bool = False
    address: str = ""


def facts(*, now: datetime) -> list[Fact]:
    texts = _texts()
    old = Hold.objects.filter(state=Hold.State.HELD, created_at__lt=now - OLD).count()
    letters = DeadLetter.objects.count()
    unsent = NotificationDelivery.objects.filter(state=NotificationDelivery.State.DEAD).count()
    unsent_page = reverse("admin:operations_notificationdelivery_changelist")
    jobs = Job.objects.unfinished().count()
    disk = shutil.disk_usage(settings.DATA_DIR)
    free = gettext("{free} GB free of {total} GB").format(
        free=f"{disk.free / 1e9:.1f}", total=f"{disk.total / 1e9:.0f}"
    )
    return [
        Fact(gettext("Texts that wait for the database"), "unknown" if texts is None else str(texts)),
        Fact(gettext("Holds older than a minute"), str(old), address=reverse("admin:quotas_hold_changelist")),
        Fact(gettext("Dead letters"), str(letters), letters > 0, reverse("admin:conversations_deadletter_changelist")),
        Fact(gettext("Notifications given up"), str(unsent), unsent > 0, f"{unsent_page}?state__exact=dead"),
        Fact(gettext("Jobs that wait or run"), str(jobs), address=reverse("admin:common_job_changelist")),
        Fact(gettext("Disk"), free, disk.used > FULL * disk.total),
        Fact(gettext("Ledger"), gettext("proved by manage.py audit_ledger")),
        Fact(gettext("Version"), version()),
    ]


def _texts() -> int | None:
    """None if a spool cannot be read at the moment."""
    try:
        return sum(_waiting(path) for path in sorted(Path(settings.SPOOL_DIR).glob("*.sqlite3")))
    except sqlite3.Error:
        return None


def _waiting(path: Path) -> int:
    with closing(files.connect(path)) as file:
        return int(file.execute("SELECT COUNT(*) FROM records").fetchone()[0])


@cache
def version() -> str:
    path = Path(settings.BASE_DIR) / "pyproject.toml"
    return str(tomllib.loads(path.read_text())["project"]["version"]) if path.exists() else "unknown"
