"""Which processes are alive, told by locks that the kernel lets go when a process dies.

Every web process holds a lock on a file of its own in the data directory. Whoever can take that lock knows that its
owner is dead, whatever killed it, at once and without any heartbeat.
"""

import fcntl
import os
import uuid
from pathlib import Path


class Owner:
    """This process's sign of life: a locked file named after `id`."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.id = uuid.uuid4().hex
        self._path = directory / f"{self.id}.lock"
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def close(self) -> None:
        """Let go, after everything that the process owned has been resolved."""
        self._path.unlink(missing_ok=True)
        os.close(self._file)


def lock_number(owner: str) -> int:
    """The number of the advisory lock that stands for an owner on PostgreSQL."""
    return int.from_bytes(bytes.fromhex(owner)[:8], signed=True)


def is_alive(directory: Path, owner: str) -> bool:
    """True while the process that made this owner id lives. A missing file means that it has gone."""
    try:
        file = os.open(directory / f"{owner}.lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def forget(directory: Path, owner: str) -> None:
    """Remove what a dead owner left, once nothing refers to it any more."""
    (directory / f"{owner}.lock").unlink(missing_ok=True)
