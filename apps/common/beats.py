"""The worker's heartbeat: a file that a task touches, so that a web process of the same machine sees it at work.

It goes all the way through beat, broker and worker. It is a file because the worker drains the spools of its machine,
which takes the machine's disk, and because an outage of the database must not look like one of the worker.
"""

from pathlib import Path

EVERY_SECONDS = 2.0


def note(path: Path) -> None:
    path.touch(mode=0o600)


def last(path: Path) -> float | None:
    """When the worker was last seen at work, in seconds since the epoch. None if it never was."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return None
