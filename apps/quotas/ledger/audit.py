"""The proof of the ledger: every balance is the sum of its entries, and every hold accounts for its entries."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, Sum
from django.db.models.functions import Coalesce

from apps.quotas.models import BY_STAFF, Hold, LedgerEntry, WeeklyUsage

BATCH = 2_000
EXCESS = Q(kind=LedgerEntry.Kind.EXCESS)
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
    """The outcome: how much was looked at, and everything that does not add up.

    `excess` are the tokens that were charged beyond what had been held for them, summed over the calls.
    """

    weeks: int
    holds: int
    open_holds: int
    excess: int
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
            excess=_excess(),
            drifts=drifts,
        )


def _excess() -> int:
    beyond = Hold.objects.filter(charged__gt=F("amount"))
    return int(beyond.aggregate(sum=Sum(F("charged") - F("amount"), default=0))["sum"])


def _weeks() -> Iterator[Drift]:
    """Used, held and granted of a week are the sums of its entries."""
    proven = {f"proven_{figure}": Coalesce(Sum(f"entries__{figure}_delta"), 0) for figure in FIGURES}
    sums = WeeklyUsage.objects.annotate(**proven).exclude(**{figure: F(f"proven_{figure}") for figure in FIGURES})
    for row in sums.values("kind", "account", "starts_at", *FIGURES, *proven):
        name = f"{row['kind']} {row['account']}, week of {row['starts_at']:%Y-%m-%d}"
        for figure in FIGURES:
            yield from _compare(f"{name}, {figure}", row[figure], row[f"proven_{figure}"])


def _holds() -> Iterator[Drift]:
    """On each of its weeks, a hold moved what its state says: its amount while held, what it charged afterwards.

    What it charged beyond its amount is excess, and nothing else is: without such entries no week would ever have used
    more than it had room for when the calls were reserved.
    """
    holds = Hold.objects.order_by("pk").only("pk", "state", "amount", "charged", "usage_ids")
    moved = (
        LedgerEntry.objects.exclude(kind__in=BY_STAFF)
        .order_by("hold", "usage")
        .values("hold", "usage")
        .annotate(
            held=Sum("held_delta"), used=Sum("used_delta", filter=~EXCESS), excess=Sum("used_delta", filter=EXCESS)
        )
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
    """Only calls hold tokens, only staff grant them, and every entry belongs to a week."""
    by_staff = Q(kind__in=BY_STAFF)
    for entry in LedgerEntry.objects.filter(by_staff & ~Q(held_delta=0) | ~by_staff & ~Q(granted_delta=0)).iterator():
        yield Drift(f"Entry {entry.pk} ({entry}), what it may not move", entry.held_delta or entry.granted_delta, 0)
    lost = LedgerEntry.objects.exclude(Exists(WeeklyUsage.objects.filter(pk=OuterRef("usage_id")))).count()
    yield from _compare("Entries whose week is gone", lost, 0)


def _check_hold(call: str, hold: Hold | None, moved: dict[int, Any]) -> Iterator[Drift]:
    """`moved` are the sums of its entries, by the id of the week."""
    if hold is None:
        yield Drift(f"Entries of call {call}, which has no hold", 0, len(moved))
        return
    drawn_on = set(json.loads(hold.usage_ids))
    held, charged = hold.amount if hold.state == Hold.State.HELD else 0, hold.charged or 0
    within, excess = min(charged, hold.amount), max(0, charged - hold.amount)
    yield from _compare(f"Hold {call}, weeks drawn on", len(drawn_on), len(drawn_on & moved.keys()))
    for week in sorted(drawn_on | moved.keys()):
        stored = (held, within, excess) if week in drawn_on else (0, 0, 0)
        sums = moved.get(week, {})
        for what, figure in zip(("held", "used", "excess"), stored, strict=True):
            yield from _compare(f"Hold {call}, {what} on week {week}", figure, sums.get(what) or 0)


def _compare(what: str, stored: int, proven: int) -> Iterator[Drift]:
    if stored != proven:
        yield Drift(what, stored, proven)
