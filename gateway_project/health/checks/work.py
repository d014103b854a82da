"""The worker, the spool with its disk, and dead letters."""

import os
import shutil
import time
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
    if process.uptime() < LATE and (last is None or time.time() - last > LATE):
        return healthy("Stoa has just started.")
    if last is None:
        return down(f"It has never run. {without}.")
    ago = time.time() - last
    if ago > AWAY:
        return down(f"Its last beat was {_span(ago)} ago. {without}.")
    if ago > LATE:
        return degraded(f"Its last beat was {_span(ago)} ago: it is busy or stuck.")
    return healthy(f"Its last beat was {ago:.0f} seconds ago.")


def spool() -> Diagnosis:
    """A directory that takes no file refuses calls, since their text could not be recorded."""
    directory = Path(settings.SPOOL_DIR)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_to(directory)
    except OSError as error:
        return down(f"{directory} takes no files: {error.strerror}.")
    disk = shutil.disk_usage(directory)
    if disk.free < NEARLY_OUT:
        return down(f"Its disk is full: {disk.free / 2**20:.0f} MiB left.")
    if disk.used > FULL * disk.total:
        return degraded(f"Its disk is nearly full: {disk.free / 1e9:.1f} GB of {disk.total / 1e9:.0f} GB left.")
    if (lag := spool_lag()) > LAGS:
        return degraded(f"The oldest text has waited {_span(lag)} for the database.")
    if waiting := kept_settlements():
        return degraded(f"{waiting} settlements wait on disk for the database.")
    return healthy(f"{disk.free / 1e9:.1f} GB free.")


def dead_letters() -> Diagnosis:
    if number := DeadLetter.objects.count():
        return degraded(f"{number} texts were refused by the database and wait for a decision.")
    return healthy("None.")


def _write_to(directory: Path) -> None:
    """Whoever removes the file first, it was written."""
    path = directory / f".health-{os.getpid()}"
    path.write_bytes(b"x")
    path.unlink(missing_ok=True)


def spool_lag() -> float:
    """Seconds that the oldest text has waited for the database, over all processes of this machine."""
    oldest = [at for path in _spools() if (at := files.oldest(path)) is not None]
    return max(0.0, time.time() - min(oldest)) if oldest else 0.0


def kept_settlements() -> int:
    """Settlements that wait for the database, up to 500 a process."""
    return sum(len(files.settlements(path)) for path in _spools())


def _spools() -> list[Path]:
    return sorted(Path(settings.SPOOL_DIR).glob("*.sqlite3"))


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.0f} hours"
