"""The worker, the spool with its disk, and dead letters."""

import os
import shutil
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from django.conf import settings

from apps.common import beats
from apps.conversations.models import DeadLetter
from apps.conversations.spool import files
from gateway_project.health import process
from gateway_project.health.states import Diagnosis, degraded, down, healthy

LATE = 30.0  # seconds without a beat
AWAY = 120.0
LAGS = 15 * 60.0  # seconds; the text of a call waits until the call is over, which may take ten minutes
FULL = 0.9  # of the disk
NEARLY_OUT = 100 * 2**20  # bytes


def worker() -> Diagnosis:
    last = beats.last(settings.WORKER_BEAT)
    without = "Health checks, jobs and figures wait; texts are stored by the web processes"
    ago = time.time() - last if last is not None else process.uptime()
    if process.uptime() < LATE < ago or (last is None and ago < LATE):
        return healthy("Stoa has just started.")
    if last is None:
        return down(f"It has never run. {without}.", worker_beat=ago)
    if ago > AWAY:
        return down(f"Its last beat was {_span(ago)} ago. {without}.", worker_beat=ago)
    if ago > LATE:
        return degraded(f"Its last beat was {_span(ago)} ago: it is busy or stuck.", worker_beat=ago)
    return healthy(f"Its last beat was {ago:.0f} seconds ago.", worker_beat=max(0.0, ago))


def spool() -> Diagnosis:
    """A directory that takes no file refuses calls, since their text could not be recorded."""
    directory = Path(settings.SPOOL_DIR)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_to(directory)
    except OSError as error:
        return down(f"{directory} takes no files: {error.strerror}.")
    waiting, broken = _read(sorted(directory.glob("*.sqlite3")))
    if broken:
        return degraded(
            f"{' and '.join(broken)} in {directory} cannot be read. Move it away, and keep it for recovery."
        )
    disk, lag = shutil.disk_usage(directory), _lag(waiting)
    settlements = sum(one.settlements for one in waiting)
    return replace(
        _judged(disk.total, disk.free, lag, settlements),
        figures={
            "spool_lag": lag,
            "spool_records": sum(one.records for one in waiting),
            "settlements_kept": settlements,
            "disk_free": disk.free,
            "disk_total": disk.total,
        },
    )


def _read(paths: Iterable[Path]) -> tuple[list[files.SpoolBacklog], list[str]]:
    """What waits in each file, and the names of those that cannot be read. Others go on, each with its own."""
    waiting, broken = [], []
    for path in paths:
        try:
            waiting.append(files.waiting(path))
        except sqlite3.Error:
            broken.append(path.name)
    return waiting, broken


def _judged(total: int, free: int, lag: float, settlements: int) -> Diagnosis:
    if free < NEARLY_OUT:
        return down(f"Its disk is full: {free / 2**20:.0f} MiB left.")
    if free < (1 - FULL) * total:
        return degraded(f"Its disk is nearly full: {free / 1e9:.1f} GB of {total / 1e9:.0f} GB left.")
    if lag > LAGS:
        return degraded(f"The oldest text has waited {_span(lag)} for the database.")
    if settlements:
        return degraded(f"{settlements} settlements wait on disk for the database.")
    return healthy(f"{free / 1e9:.1f} GB free.")


def _lag(waiting: Iterable[files.SpoolBacklog]) -> float:
    """Seconds that the oldest text has waited for the database, over all processes of this machine."""
    oldest = [one.oldest for one in waiting if one.oldest is not None]
    return max(0.0, time.time() - min(oldest)) if oldest else 0.0


def dead_letters() -> Diagnosis:
    if number := DeadLetter.objects.count():
        said = f"{number} texts were refused by the database and wait for a decision."
        return degraded(said, dead_letters=number)
    return healthy("None.", dead_letters=0)


def _write_to(directory: Path) -> None:
    """Whoever removes the file first, it was written."""
    path = directory / f".health-{os.getpid()}"
    path.write_bytes(b"x")
    path.unlink(missing_ok=True)


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.0f} hours"
