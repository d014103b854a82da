"""The proof of the ledger: every balance is the sum of its entries, and every hold accounts for its entries."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Q, Sum
from django.db.models.functions import Coalesce

from apps.quotas.models import Hold, LedgerEntry, WeeklyUsage

BATCH = 2_000
FIGURES = ("used", "held", "granted")


@dataclass(frozen=True, slots=True)
class Drift:
    """A figure that does not add up, with what is stored and what its entries say."""

    what: str
    stored: int
    proven: int

    def __str__(self) -> str:
        return f"{self.what}: stored {self.stored}, proven {self.proven}"


@dataclass(frozen=True, slots=True)
class Audit:
    """The outcome: how much was looked at, and everything that does not add up."""

    weeks: int
    holds: int
    open_holds: int
    drifts: tuple[Drift, ...]

    @property
    def drift(self) -> int:
        """Tokens that are off, summed over all figures."""
        return sum(abs(drift.stored - drift.proven) for drift in self.drifts)


def audit() -> Audit:
    """Check the whole ledger as it stood at one instant."""
    is_own = not connection.in_atomic_block
    with transaction.atomic():
        if is_own and connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        drifts = (*_weeks(), *_holds(), *_strays())
        return Audit(
            weeks=WeeklyUsage.objects.count(),
            holds=Hold.objects.count(),
            open_holds=Hold.objects.filter(state=Hold.State.HELD).count(),
            drifts=drifts,
        )


def _weeks() -> Iterator[Drift]:
    """Used, held and granted of a week are the sums of its entries."""
    proven = {f"proven_{figure}": Coalesce(Sum(f"entries__{figure}_delta"), 0) for figure in FIGURES}
    sums = WeeklyUsage.objects.annotate(**proven).exclude(**{figure: F(f"proven_{figure}") for figure in FIGURES})
    for row in sums.values("kind", "account", "starts_at", *FIGURES, *proven):
        name = f"{row['kind']} {row['account']}, week of {row['starts_at']:%Y-%m-%d}"
        for figure in FIGURES:
            yield from _compare(f"{name}, {figure}", row[figure], row[f"proven_{figure}"])


def _holds() -> Iterator[Drift]:
    """On each of its weeks, a hold moved what its state says: its amount while held, what it charged afterwards."""
    holds = Hold.objects.order_by("pk").only("pk", "state", "amount", "charged", "usage_ids")
    moved = (
        LedgerEntry.objects.exclude(kind__in=LedgerEntry.BY_STAFF)
        .order_by("hold", "usage")
        .values("hold", "usage")
        .annotate(held=Sum("held_delta"), used=Sum("used_delta"))
    )
    # Both are read in the order of the call's id, side by side, so that memory does not grow with the ledger.
    both: Iterator[tuple[str, int, Any]] = merge(
        ((hold.pk, 0, hold) for hold in holds.iterator(chunk_size=BATCH)),
        ((row["hold"], 1, row) for row in moved.iterator(chunk_size=BATCH)),
        key=itemgetter(0, 1),
    )
    for call, rows in groupby(both, key=itemgetter(0)):
        found = list(rows)
        hold = next((row for _, kind, row in found if kind == 0), None)
        yield from _check_hold(call, hold, {row["usage"]: row for _, kind, row in found if kind == 1})


def _strays() -> Iterator[Drift]:
    """Only calls hold tokens, and only staff grant them."""
    by_staff = Q(kind__in=LedgerEntry.BY_STAFF)
    for entry in LedgerEntry.objects.filter(by_staff & ~Q(held_delta=0) | ~by_staff & ~Q(granted_delta=0)).iterator():
        yield Drift(f"Entry {entry.pk} ({entry}), what it may not move", entry.held_delta or entry.granted_delta, 0)


def _check_hold(call: str, hold: Hold | None, moved: dict[int, Any]) -> Iterator[Drift]:
    """`moved` are the sums of its entries, by the id of the week."""
    if hold is None:
        yield Drift(f"Entries of call {call}, which has no hold", 0, len(moved))
        return
    drawn_on = set(json.loads(hold.usage_ids))
    held = hold.amount if hold.state == Hold.State.HELD else 0
    yield from _compare(f"Hold {call}, weeks drawn on", len(drawn_on), len(drawn_on & moved.keys()))
    for week in sorted(drawn_on | moved.keys()):
        is_own, sums = week in drawn_on, moved.get(week, {"held": 0, "used": 0})
        yield from _compare(f"Hold {call}, held on week {week}", held if is_own else 0, sums["held"])
        yield from _compare(f"Hold {call}, charged on week {week}", (hold.charged or 0) if is_own else 0, sums["used"])


def _compare(what: str, stored: int, proven: int) -> Iterator[Drift]:
    if stored != proven:
        yield Drift(what, stored, proven)
