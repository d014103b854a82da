"""The disk with Stoa's data: full, or no longer."""

import shutil
import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from apps.operations.models import About, Notification

FULL, ROOM = 0.9, 0.88  # apart, so that a file more or less is no news
_FULL, _ROOM = "disk_full", "disk_ok"


class Disk(NamedTuple):
    used: int
    free: int
    total: int

    @property
    def share(self) -> float:
        return self.used / self.total if self.total else 0.0


def disk_of(path: Path) -> Disk:
    usage = shutil.disk_usage(path)
    return Disk(usage.used, usage.free, usage.total)


def found(disk: Disk, *, now: datetime, host: str = "") -> Iterator[Notification]:
    """A change since the last notification about the disk of this machine."""
    host = host or socket.gethostname()[:60]
    subject = f"disk:{host}"
    last = Notification.objects.filter(subject=subject).order_by("-id").values_list("kind", flat=True).first()
    kind = kind_of(disk.share, last=last or _ROOM)
    if kind == (last or _ROOM):
        return
    is_full = kind == _FULL
    yield Notification(
        key=f"{subject}:{now.timestamp():.0f}:{kind}",
        about=About.DISK,
        kind=kind,
        subject=subject,
        level="bad" if is_full else "good",
        title=f"The disk of {host} is {100 * disk.share:.0f} percent full",
        detail=f"{disk.free / 1e9:.1f} GB of {disk.total / 1e9:.0f} GB are free."
        + (" When nothing is left, calls are refused." if is_full else " There is room again."),
        page="/admin/",
        at=now,
    )


def kind_of(share: float, *, last: str) -> str:
    return _FULL if share > (ROOM if last == _FULL else FULL) else _ROOM
