"""The data directory, which holds every secret and every conversation: readable by its owner only."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

NOBODY_ELSE = 0o077  # as a umask, and as the permissions that a private thing lacks
# What Stoa makes there. Nothing else is touched, because the directory may hold what others put into it.
OURS = (
    "stoa.sqlite3*",
    "secrets.json",
    ".secrets.json.*",
    "demo.json",
    ".demo.json.*",
    "celerybeat-schedule*",
    "spool",
    "owners",
    "metrics",
)


def make_data_dir(path: Path, *, is_production: bool) -> Path:
    """Make the directory if there is none, and keep others out of it and of all that this process writes from now on.

    In development, permissions that are too wide are narrowed as far as the directory is Stoa's alone; a system check
    warns of the rest. In production such a directory ends the process.
    """
    os.umask(NOBODY_ELSE)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if is_production and is_exposed(path):
        raise SystemExit(refusal(path))
    for one in (*_if_ours_alone(path), *_made_by_us(path)):
        _narrow(one)
    return path


def is_exposed(path: Path) -> bool:
    """Whether users other than the owner may list, enter or change it."""
    return bool(path.stat().st_mode & NOBODY_ELSE)


def refusal(path: Path) -> str:
    mode = stat.S_IMODE(path.stat().st_mode)
    return (
        f"GATEWAY_DATA_DIR: other users of this machine may open {path} (its mode is {mode:o}). It holds conversations "
        f"and secrets. Run: chmod 700 {path} - or name a directory that does not exist yet, and Stoa makes it."
    )


def write_private(path: Path, text: str) -> None:
    """Atomically write a file that only its owner can read."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def _if_ours_alone(path: Path) -> tuple[Path, ...]:
    """The directory itself, unless something in it is not Stoa's: a home or /tmp keeps the permissions it has."""
    is_shared = any(not _is_ours(one) for one in path.iterdir())
    return () if is_shared else (path,)


def _is_ours(path: Path) -> bool:
    return any(path.match(pattern) for pattern in OURS)


def _made_by_us(path: Path) -> Iterator[Path]:
    for top in filter(_is_ours, path.iterdir()):
        yield top
        if top.is_dir() and not top.is_symlink():
            yield from top.rglob("*")


def _narrow(path: Path) -> None:
    """Take the permissions of others away. Links, and what belongs to another user, stay as they are."""
    try:
        found = path.lstat()
        if found.st_uid == os.geteuid() and found.st_mode & NOBODY_ELSE and not stat.S_ISLNK(found.st_mode):
            path.chmod(stat.S_IMODE(found.st_mode) & ~NOBODY_ELSE)
    except FileNotFoundError:  # another process has just removed it
        return
