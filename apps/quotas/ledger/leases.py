"""Progress of open holds, written down while answers stream, and the holds of owners that have died."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.common.cursor import Cursor


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What an open call would be charged if its process died now, in weighted tokens."""

    hold: str
    amount: int


_CHECKPOINT = {"id": "text", "checkpoint": "bigint"}


def write(cursor: Cursor, batches: Sequence[Sequence[Checkpoint]]) -> list[None]:
    """A function for the writer: note the progress of all open calls in one statement."""
    points = {point.hold: point.amount for batch in batches for point in batch}
    cursor.update("quotas_hold", _CHECKPOINT, list(points.items()), where="quotas_hold.state = 'held'")
    return [None] * len(batches)


def owners(cursor: Cursor, units: Sequence[None]) -> list[list[str]]:
    """A function for the writer: the processes that hold something at the moment."""
    cursor.execute("SELECT DISTINCT owner FROM quotas_hold WHERE state = 'held'")
    found = [row[0] for row in cursor.fetchall()]
    return [found] * len(units)


@dataclass(frozen=True, slots=True)
class Left:
    """Which holds to look for: those of the dead owners, and those that expired before `now`."""

    dead: tuple[str, ...]
    now: datetime


def left_behind(cursor: Cursor, units: Sequence[Left]) -> list[list[str]]:
    """A function for the writer: the ids of up to 500 holds that nobody answers for any more, for each unit."""
    return [_left_behind(cursor, unit) for unit in units]


def _left_behind(cursor: Cursor, unit: Left) -> list[str]:
    marks = ", ".join(["%s"] * len(unit.dead)) or "NULL"
    cursor.execute(
        f"SELECT id FROM quotas_hold WHERE state = 'held' AND (owner IN ({marks}) OR expires_at < %s)"
        " ORDER BY id LIMIT 500",
        [*unit.dead, cursor.instant(unit.now)],
    )
    return [row[0] for row in cursor.fetchall()]
